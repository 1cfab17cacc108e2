"""Every rule of the tree can fail: bad trees are refused, with the path named, and good ones pass."""

from collections.abc import Callable

import pytest

import gen_errors
from lint import rules

UNIT = "src/engine/media/published_unit.h"
GOOD_UNIT = """class PublishedUnit {
 public:
  PublishedUnit() = default;
  PublishedUnit(const PublishedUnit& other) = default;
 private:
  friend class mask::PublishGate;
  PublishedUnit(Ref<const AccessUnit> unit, int b) {}
};
"""

BAD = [
    (rules.include_ranks, {"src/engine/rtp/a.cc": '#include "net/socket.h"\n'}),
    (rules.include_ranks, {"src/engine/rtsp/a.h": '  #  include "net/socket.h"\n'}),
    (rules.include_ranks, {"src/engine/source/a.cc": '#include "mask/lane.h"\n'}),
    (rules.include_ranks, {"src/engine/source/a.cc": '#include "fanout/hub.h"\n'}),
    (rules.include_ranks, {"src/engine/source/a.cc": "#include <sink/rtsp_server.h>\n"}),
    (rules.include_ranks, {"src/engine/sink/a.cc": '#include "source/file.h"\n'}),
    (rules.include_ranks, {"src/engine/sink/a.cc": '#include "mask/publish_gate.h"\n'}),
    (rules.include_ranks, {"src/engine/sink/a.cc": '#include "codec/decoder.h"\n'}),
    (rules.include_ranks, {"src/engine/base/a.cc": '#include "media/codec.h"\n'}),
    (rules.include_ranks, {"src/engine/runtime/a.cc": '#include "capi/engine.h"\n'}),
    (rules.include_ranks, {"src/engine/runtime/a.cc": '#include "vigie/vigie.h"\n'}),
    (rules.include_ranks, {"src/engine/capi/a.cc": '#include "sink/rtsp_server.h"\n'}),
    (rules.include_ranks, {"src/engine/loadgen/a.cc": '#include "runtime/engine.h"\n'}),
    (rules.include_ranks, {"src/engine/fanout/a.cc": '#include "loadgen/viewer.h"\n'}),
    (rules.include_ranks, {"src/engine/fanout/a.cc": '#include "../base/result.h"\n'}),
    (rules.include_ranks, {"src/engine/extra/a.cc": "int a;\n"}),
    (rules.parsers_own_nothing, {"src/engine/rtp/a.cc": "#include <sys/socket.h>\n"}),
    (rules.parsers_own_nothing, {"src/engine/rtsp/a.cc": "#include <thread>\n"}),
    (rules.parsers_own_nothing, {"src/engine/rtp/a.cc": '#include "base/clock.h"\n'}),
    (rules.libraries_in_their_place, {"src/engine/source/file.cc": "#include <libavformat/avformat.h>\n"}),
    (rules.libraries_in_their_place, {"src/engine/mask/a.cc": "#include <libswscale/swscale.h>\n"}),
    (rules.libraries_in_their_place, {"src/engine/sink/tls.cc": "#include <openssl/ssl.h>\n"}),
    (rules.libraries_in_their_place, {"src/engine/rtsp/auth.cc": "#include <openssl/evp.h>\n"}),
    (rules.libraries_in_their_place, {"src/engine/rtp/srtp.h": "#include <srtp2/srtp.h>\n"}),
    (rules.libraries_in_their_place, {"src/engine/capi/a.cc": "#include <Python.h>\n"}),
    (rules.libraries_in_their_place, {"src/engine/runtime/a.cc": "#include <pybind11/pybind11.h>\n"}),
    (rules.libraries_in_their_place, {"src/engine/net/a.cc": "#include <zmq.hpp>\n"}),
    (rules.libraries_in_their_place, {"src/engine/bindings/a.cc": "#include <msgpack.hpp>\n"}),
    (rules.only_the_gate_publishes, {UNIT: GOOD_UNIT.replace("friend", "friend class sink::Server;\n  friend")}),
    (rules.only_the_gate_publishes, {UNIT: GOOD_UNIT.replace(" private:\n", "")}),
    (
        rules.only_the_gate_publishes,
        {UNIT: GOOD_UNIT.replace("= default;", "= default;\n  PublishedUnit(int a) {}", 1)},
    ),
    (rules.only_the_gate_publishes, {"src/engine/sink/a.h": GOOD_UNIT}),
    (rules.only_the_gate_publishes, {"src/engine/sink/a.h": "namespace vigie::mask { class PublishGate {}; }\n"}),
    (rules.only_the_gate_publishes, {"src/engine/runtime/a.cc": "auto u = PublishedUnit(unit, provenance);\n"}),
    (rules.only_the_gate_publishes, {"src/engine/runtime/a.cc": "PublishedUnit u{unit, provenance};\n"}),
    (rules.exits_accept_published_only, {"src/engine/fanout/hub.h": "void add(Ref<const AccessUnit> unit);\n"}),
    (rules.exits_accept_published_only, {"src/engine/sink/a.cc": "auto u = make_ref<AccessUnit>();\n"}),
    (rules.file_sizes, {"src/engine/base/a.cc": "int a;\n" * 801}),
    (rules.file_sizes, {"python/vigie/a.py": "a = 1\n" * 801}),
    (rules.few_macros, {"src/engine/base/a.h": "".join(f"#define M{i}(x) x\n" for i in range(4))}),
    (rules.few_macros, {"src/engine/base/a.h": "".join(f"#define M{i} {i}\n" for i in range(4))}),
    (rules.python_planes, {"python/vigie/policy/a.py": "import zmq.asyncio\n"}),
    (rules.python_planes, {"python/vigie/policy/a.py": "from vigie import _core\n"}),
    (rules.python_planes, {"python/vigie/journal/a.py": "import zmq\n"}),
    (rules.python_planes, {"python/vigie/policy/a.py": "from .._core import Engine\n"}),
    (rules.python_planes, {"python/vigie/policy/a.py": "def f():\n    from .. import _views\n"}),
    (rules.python_planes, {"python/vigie/control/service.py": "import zmq\nfrom vigie._core import Engine\n"}),
    (rules.python_planes, {"python/vigie/control/service.py": "import zmq\nfrom vigie.engine import Engine\n"}),
    (rules.python_planes, {"python/vigie/cli/objects.py": "import zmq\n"}),
    (rules.cython_knows_the_header_only, {"src/engine/bindings/_views.pyx": 'cdef extern from "runtime/engine.h":\n'}),
    (rules.folders_explain_themselves, {"src/engine/base/a.h": "int a;\n"}),
    (rules.folders_explain_themselves, {"src/engine/base/a.h": "int a;\n", "src/engine/base/README.md": "# base\n"}),
    (rules.folders_explain_themselves, {"python/vigie/ptz/a.py": "a = 1\n"}),
    (rules.folders_explain_themselves, {"python/vigie/ptz/__init__.py": "a = 1\n"}),
    (
        rules.cmake_lists_every_source,
        {"src/engine/base/a.cc": "", "src/engine/base/CMakeLists.txt": "SOURCES b_a.cc\n"},
    ),
    (rules.cmake_lists_every_source, {"tests/native/base/t.cc": ""}),
    (rules.cmake_lists_every_source, {"benchmarks/native/a_bench.cc": ""}),
    (
        rules.cmake_lists_every_source,
        {"tests/fuzz/sdp.cc": "", "tests/fuzz/CMakeLists.txt": "vigie_fuzz(sdp_x LINKS)\n"},
    ),
    (rules.cmake_lists_every_source, {"src/engine/base/CMakeLists.txt": "vigie_layer(base SOURCES gone.cc)\n"}),
    (rules.links_lead_somewhere, {"docs/a.md": "see [b](b.md)\n", "b.md": ""}),
    (rules.no_machine_in_the_tree, {"docs/a.md": "see /wo" + "rk/main\n"}),
    (rules.no_machine_in_the_tree, {"tools/a": "mirror=http://deb." + "debian.org/debian\n"}),
    (rules.no_machine_in_the_tree, {"auto.key": "-----BEGIN EC PRIVATE" + " KEY-----\nAA==\n"}),
    (rules.plain_errors, {"src/engine/rtp/a.cc": "void f() { throw 1; }\n"}),
]

GOOD = [
    (
        rules.include_ranks,
        {"src/engine/rtp/a.cc": '#include "base/result.h"\n#include "rtp/b.h"\n#include <sys/x.h>\n'},
    ),
    (rules.include_ranks, {"src/engine/capi/a.cc": '#include "vigie/vigie.h"\n#include "runtime/engine.h"\n'}),
    (rules.parsers_own_nothing, {"src/engine/net/a.cc": "#include <sys/socket.h>\n#include <thread>\n"}),
    (rules.libraries_in_their_place, {"src/engine/source/libav_source.cc": "#include <libavformat/avformat.h>\n"}),
    (rules.libraries_in_their_place, {"src/engine/codec/h264/a.cc": "#include <libavcodec/avcodec.h>\n"}),
    (rules.libraries_in_their_place, {"src/engine/net/tls_stream.cc": "#include <openssl/ssl.h>\n"}),
    (rules.libraries_in_their_place, {"src/engine/rtsp/digest.cc": "#include <openssl/evp.h>\n"}),
    (rules.libraries_in_their_place, {"src/engine/rtp/srtp.cc": "#include <srtp2/srtp.h>\n"}),
    (rules.libraries_in_their_place, {"src/engine/bindings/a.cc": "#include <pybind11/pybind11.h>\n"}),
    (rules.only_the_gate_publishes, {UNIT: GOOD_UNIT}),
    (rules.only_the_gate_publishes, {"src/engine/mask/publish_gate.cc": "return PublishedUnit(unit, provenance);\n"}),
    (
        rules.only_the_gate_publishes,
        {"src/engine/sink/a.h": "void send(const PublishedUnit& unit);\nPublishedUnit next();\n"},
    ),
    (rules.exits_accept_published_only, {"src/engine/sink/a.cc": "const AccessUnit& unit = published.unit();\n"}),
    (rules.exits_accept_published_only, {"src/engine/sink/a.cc": "// never a Ref<AccessUnit>\n"}),
    (rules.file_sizes, {"src/engine/base/a.cc": "int a;\n" * 799}),
    (
        rules.few_macros,
        {"include/vigie/a.h": "#ifndef A\n#define A\n" + "".join(f"#define N{i} {i}\n" for i in range(9))},
    ),
    (rules.python_planes, {"python/vigie/policy/a.py": "from vigie import errors\n"}),
    (rules.python_planes, {"python/vigie/control/agent.py": "import zmq\nfrom vigie._core import Engine\n"}),
    (rules.cython_knows_the_header_only, {"src/engine/bindings/_views.pyx": 'cdef extern from "vigie/vigie.h":\n'}),
    (rules.folders_explain_themselves, {"python/vigie/ptz/__init__.py": '"""Drivers of domes."""\n'}),
    (
        rules.cmake_lists_every_source,
        {
            "src/engine/base/x/a.cc": "",
            "src/engine/base/CMakeLists.txt": "vigie_layer(base SOURCES x/a.cc)\n",
            "tests/fuzz/sdp.cc": "",
            "tests/fuzz/CMakeLists.txt": "vigie_fuzz(sdp LINKS vigie_rtsp)\n",
        },
    ),
    (
        rules.cmake_lists_every_source,
        {
            "tests/native/net/certificates.cc": "",
            "tests/native/net/CMakeLists.txt": "vigie_test(net SOURCES certificates.cc)\n",
            "tests/native/source/CMakeLists.txt": "vigie_test(source SOURCES ../net/certificates.cc)\n",
        },
    ),
    (
        rules.links_lead_somewhere,
        {"docs/a.md": "[b](../b.md#c) [c](../src) [d](https://example.org/x) [e](#f)\n", "b.md": "", "src/a.h": ""},
    ),
    (rules.plain_errors, {"src/engine/rtp/a.cc": "// never throw\nvoid f() noexcept;\n"}),
]

Rule = Callable[[rules.Files], list[str]]


@pytest.mark.parametrize(("rule", "files"), BAD)
def test_bad_tree_is_refused(rule: Rule, files: dict[str, str]) -> None:
    complaints = rule(files)
    assert complaints
    assert any(complaint.startswith((*files, *(path.rsplit("/", 1)[0] for path in files))) for complaint in complaints)


@pytest.mark.parametrize(("rule", "files"), GOOD)
def test_good_tree_passes(rule: Rule, files: dict[str, str]) -> None:
    assert rule(files) == []


def test_every_rule_is_proven() -> None:
    assert {rule for rule, _ in BAD} == set(rules.RULES)


@pytest.mark.parametrize(
    "table",
    [
        '// family 1: a\nVIGIE_ERROR(a, 101, ValueError, "x")\nVIGIE_ERROR(b, 101, ValueError, "y")\n',
        '// family 1: a\nVIGIE_ERROR(a, 201, ValueError, "x")\n',
        "// family 1: a\nVIGIE_ERROR(a, ValueError)\n",
    ],
    ids=["number twice", "no such family", "not a row"],
)
def test_bad_error_table_is_refused(table: str) -> None:
    with pytest.raises(ValueError, match="error_table"):
        gen_errors.outputs(table)
