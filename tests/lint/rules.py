"""The rules of the tree: each function takes files and returns complaints, one line each, `path:line: what`.

`files` maps a path relative to the repository to its text, so that a test can hand in a tree of its own.
"""

import ast
import posixpath
import re
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath

Files = Mapping[str, str]

ENGINE = "src/engine/"
BELOW_RUNTIME = "base media policy net rtsp rtp codec source mask fanout sink".split()
# The table of ranks. A folder may always include itself; `vigie` is include/vigie, the C interface.
MAY_INCLUDE: dict[str, list[str]] = {
    "base": [],
    "media": ["base"],
    "policy": ["base"],
    "net": ["base"],
    "rtsp": ["base", "media"],
    "rtp": ["base", "media"],
    "codec": ["base", "media"],
    "source": ["base", "media", "policy", "net", "rtsp", "rtp"],
    "mask": ["base", "media", "policy", "codec"],
    "fanout": ["base", "media"],
    "sink": ["base", "media", "policy", "net", "rtsp", "rtp", "fanout"],
    "runtime": BELOW_RUNTIME,
    "capi": ["runtime", "base", "vigie"],
    "bindings": ["runtime", "capi", "vigie", *BELOW_RUNTIME],
    "loadgen": ["base", "media", "net", "rtsp", "rtp"],
}
# No socket, no thread and no clock of their own in the parsers. Time comes in as a value.
PARSER_FOLDERS = ("rtsp", "rtp")
NOT_IN_PARSERS = re.compile(
    r"(sys/socket|sys/epoll|sys/eventfd|netinet/.*|arpa/inet|netdb|poll|unistd)\.h|thread|mutex|future|condition_variable"
    r"|base/(clock|executor|thread|fd)\.h"
)
LIBAV = re.compile(r"lib(av|sw)\w+/|libpostproc/")
OPENSSL = re.compile(r"openssl/")
PYTHON = re.compile(r"Python\.h|pybind11/|structmember\.h")
CONTROL_PLANE = re.compile(r"(zmq|zmq_addon|msgpack|czmq)\b")
SOURCE_SUFFIXES = {".cc", ".h", ".c", ".inc", ".pyx", ".pxd", ".py", ".pyi"}
LINE_LIMIT = 800
MACRO_LIMIT = 3

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')
COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)


def suffix(path: str) -> str:
    """The file's ending, with its dot."""
    return PurePosixPath(path).suffix


def engine_folder(path: str) -> str | None:
    """The folder of src/engine that holds a C++ file, or None."""
    if not path.startswith(ENGINE) or suffix(path) not in {".cc", ".h", ".inc"}:
        return None
    rest = path.removeprefix(ENGINE)
    return rest.split("/")[0] if "/" in rest else None


def engine_files(files: Files) -> Iterator[tuple[str, str, str]]:
    """(path, folder, text) of every C++ file of the engine."""
    for path, text in files.items():
        if folder := engine_folder(path):
            yield path, folder, text


def includes(text: str) -> Iterator[tuple[int, str]]:
    """(line, name) of every #include."""
    for number, line in enumerate(text.splitlines(), 1):
        if match := INCLUDE.match(line):
            yield number, match[2]


def without_comments(text: str) -> str:
    """The code alone, with its line numbers kept."""
    return COMMENT.sub(lambda match: "\n" * match[0].count("\n"), text)


def line_of(text: str, position: int) -> int:
    """The line of a position."""
    return text.count("\n", 0, position) + 1


def include_ranks(files: Files) -> list[str]:
    """Every include follows the table of ranks, and every folder is in it."""
    found = []
    for path, folder, text in engine_files(files):
        if folder not in MAY_INCLUDE:
            found.append(f"{path}:1: folder {folder} has no rank")
            continue
        for line, name in includes(text):
            if name.startswith(("../", "./")):
                found.append(f'{path}:{line}: "{name}": include from src/engine, as "folder/file.h"')
            other = name.split("/")[0] if "/" in name else None
            if (other in MAY_INCLUDE or other == "vigie") and other != folder and other not in MAY_INCLUDE[folder]:
                found.append(f"{path}:{line}: {folder} may not include {other} ({name})")
    return found


def parsers_own_nothing(files: Files) -> list[str]:
    """rtsp and rtp own no socket, no clock, no thread."""
    return [
        f"{path}:{line}: a parser may not use {name}"
        for path, folder, text in engine_files(files)
        if folder in PARSER_FOLDERS
        for line, name in includes(text)
        if NOT_IN_PARSERS.fullmatch(name)
    ]


def libraries_in_their_place(files: Files) -> list[str]:
    """libav, OpenSSL, libsrtp and Python only where the design says; ZeroMQ and msgpack nowhere in C++."""
    found = []
    for path, folder, text in engine_files(files):
        name_in_engine = path.removeprefix(ENGINE)
        for line, name in includes(text):
            if LIBAV.match(name) and folder != "codec" and name_in_engine != "source/libav_source.cc":
                found.append(f"{path}:{line}: libav ({name}) only in codec/ and source/libav_source.cc")
            if OPENSSL.match(name) and not name_in_engine.startswith(("net/tls", "rtsp/digest")):
                found.append(f"{path}:{line}: OpenSSL ({name}) only in net/tls* and rtsp/digest*")
            if name.startswith("srtp2/") and name_in_engine != "rtp/srtp.cc":
                found.append(f"{path}:{line}: libsrtp ({name}) only in rtp/srtp.cc")
            if PYTHON.match(name) and folder != "bindings":
                found.append(f"{path}:{line}: Python ({name}) only in bindings/")
            if CONTROL_PLANE.match(name):
                found.append(f"{path}:{line}: the control plane ({name}) is Python's")
    return found


FRIEND = re.compile(r"\bfriend\s+([^;{]+)")
PUBLISHED_CLASS = re.compile(r"\b(?:class|struct)\s+(Published(?:Unit|Frame))\b[^;{]*\{")
MADE = re.compile(r"\bPublished(?:Unit|Frame)\s*(?:\w+\s*)?(?:\(\s*(?!const\b|\)|Published)[^)&]|\{\s*[^}\s])")
GATE_CLASS = re.compile(r"\bclass\s+PublishGate\b[^;]*\{")


def only_the_gate_publishes(files: Files) -> list[str]:
    """Only mask/publish_gate.* makes a PublishedUnit or PublishedFrame: the gate, defined once, is their one friend.

    The private constructors do the rest: whoever else calls them does not compile. What is checked here is that nobody
    widens the door: a further friend, a public constructor, a second class of the gate's name.
    """
    found = []
    for path, _, raw in engine_files(files):
        text = without_comments(raw)
        for match in PUBLISHED_CLASS.finditer(text):
            body = class_body(text, match.end())
            friends = [friend.strip() for friend in FRIEND.findall(body)]
            at = f"{path}:{line_of(text, match.start())}"
            if not re.fullmatch(r"media/published_\w+\.h", path.removeprefix(ENGINE)):
                found.append(f"{at}: {match[1]} belongs to media/published_*.h")
            for friend in friends:
                if friend != "class mask::PublishGate":
                    found.append(f"{at}: {match[1]} has a friend besides the gate: {friend}")
            public = body.split("private:")[0]
            for made in re.finditer(rf"\b{match[1]}\s*\(([^)]*)\)", public):
                if made[1].strip() and not re.fullmatch(rf"(const\s+)?{match[1]}\s*&&?\s*\w*", made[1].strip()):
                    found.append(f"{at}: {match[1]} has a public constructor: {made[0]}")
        if GATE_CLASS.search(text) and path != ENGINE + "mask/publish_gate.h":
            found.append(f"{path}:1: class PublishGate is defined outside mask/publish_gate.h")
        if not path.removeprefix(ENGINE).startswith(("mask/publish_gate.", "media/published_")):
            found.extend(
                f"{path}:{line_of(text, match.start())}: only mask/publish_gate.* makes one: {match[0]}"
                for match in MADE.finditer(text)
            )
    return found


def class_body(text: str, start: int) -> str:
    """The text of a class from its opening brace to the matching one."""
    depth = 1
    for position in range(start, len(text)):
        depth += {"{": 1, "}": -1}.get(text[position], 0)
        if depth == 0:
            return text[start:position]
    return text[start:]


RAW_UNIT = re.compile(r"\bRef<\s*(?:const\s+)?(?:vigie::)?(AccessUnit|Frame)\s*>|\bmake_ref<\s*(AccessUnit|Frame)\s*>")


def exits_accept_published_only(files: Files) -> list[str]:
    """fan-out and sinks hold no access unit or frame that did not pass the gate."""
    found = []
    for path, folder, raw in engine_files(files):
        if folder in ("fanout", "sink"):
            text = without_comments(raw)
            found.extend(
                f"{path}:{line_of(text, match.start())}: {match[0]}: an exit takes PublishedUnit or PublishedFrame"
                for match in RAW_UNIT.finditer(text)
            )
    return found


def file_sizes(files: Files) -> list[str]:
    """No source file is longer than the hard stop."""
    found = []
    for path, text in files.items():
        lines = text.count("\n") + 1
        if suffix(path) in SOURCE_SUFFIXES and lines > LINE_LIMIT:
            found.append(f"{path}:1: {lines} lines, the hard stop is {LINE_LIMIT}")
    return found


DEFINE = re.compile(r"^[ \t]*#[ \t]*define[ \t]+(\w+)(\(?)[ \t]*(.*)$", re.MULTILINE)


def few_macros(files: Files) -> list[str]:
    """At most three macros. Include guards, feature macros of the system, the C header's numbers and the row macros of
    a table, undefined where the table was read, do not count."""
    macros: dict[str, str] = {}
    for path, text in files.items():
        if not path.startswith((ENGINE, "include/")) or suffix(path) not in {".cc", ".h", ".inc"}:
            continue
        for match in DEFINE.finditer(without_comments(text)):
            name, call, body = match[1], match[2], match[3].strip()
            is_guard = not call and not body
            is_system = name.startswith("_") or name == "PY_SSIZE_T_CLEAN"
            is_number = path.startswith("include/") and not call and re.fullmatch(r"\(?[-+\w]+\)?|\"[^\"]*\"", body)
            is_row = bool(call) and re.search(rf"#\s*undef\s+{name}\b", text) is not None
            if not (is_guard or is_system or is_number or is_row):
                macros.setdefault(name, path)
    if len(macros) <= MACRO_LIMIT:
        return []
    return [f"{path}:1: more than {MACRO_LIMIT} macros: {name}" for name, path in sorted(macros.items())]


def imports(text: str) -> set[str]:
    """Every module a Python file imports, `from x import y` as both `x` and `x.y`."""
    names = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            names.add(module)
            names.update(f"{module}.{alias.name}".replace("..", ".") for alias in node.names)
    return names


def uses(names: set[str], module: str) -> bool:
    """Whether a module is among the names, however far down."""
    return any(module in name.split(".") for name in names)


def python_planes(files: Files) -> list[str]:
    """policy and journal are pure; ZeroMQ is control/'s; only control/agent.py knows both it and the core."""
    found = []
    for path, text in files.items():
        if not path.startswith("python/vigie/") or suffix(path) != ".py":
            continue
        names = imports(text)
        zmq, core = uses(names, "zmq"), uses(names, "_core") or uses(names, "_views")
        for pure in ("policy", "journal"):
            if path.startswith(f"python/vigie/{pure}/") and (zmq or core):
                found.append(f"{path}:1: the {pure} package is pure: neither zmq nor the extensions")
        if zmq and not path.startswith("python/vigie/control/"):
            found.append(f"{path}:1: zmq is imported in control/ only")
        core = core or uses(names, "engine")
        if zmq and core and path != "python/vigie/control/agent.py":
            found.append(f"{path}:1: only control/agent.py imports both zmq and the core")
    return found


def cython_knows_the_header_only(files: Files) -> list[str]:
    """The Cython extension declares include/vigie and the system's headers, nothing of the engine's C++."""
    found = []
    for path, text in files.items():
        if suffix(path) in {".pyx", ".pxd"}:
            for match in re.finditer(r'cdef\s+extern\s+from\s+"([^"]+)"', text):
                name = match[1].strip("<>")
                if not (name.startswith("vigie/") or "/" not in name):
                    found.append(f"{path}:{line_of(text, match.start())}: {name}: only the C header")
    return found


def folders_explain_themselves(files: Files) -> list[str]:
    """Every folder of the engine with code has a README.md, every Python package a docstring."""
    found = []
    for folder in sorted({folder for _, folder, _ in engine_files(files)}):
        if len(files.get(f"{ENGINE}{folder}/README.md", "")) < 80:
            found.append(f"{ENGINE}{folder}: no README.md that says what it is for")
    packages = {
        str(PurePosixPath(path).parent) for path in files if path.startswith("python/") and path.endswith(".py")
    }
    for package in sorted(packages):
        init = files.get(f"{package}/__init__.py")
        if init is None:
            found.append(f"{package}: no __init__.py")
        elif not ast.get_docstring(ast.parse(init)):
            found.append(f"{package}/__init__.py:1: no docstring")
    return found


def cmake_lists_every_source(files: Files) -> list[str]:
    """Every .cc is named in the CMakeLists.txt of its folder or of one above it, and every one named exists."""
    found = []
    for path in files:
        if suffix(path) not in {".cc", ".pyx"} or not path.startswith(
            ("src/", "tests/native/", "tests/fuzz/", "benchmarks/")
        ):
            continue
        here = PurePosixPath(path)
        names = [here.name, here.stem] if path.startswith("tests/fuzz/") else [here.name]
        lists = [(parent, files.get(f"{parent}/CMakeLists.txt", "")) for parent in here.parents]
        if not any(
            re.search(rf"(?<![\w./]){re.escape(str(here.relative_to(parent).with_name(name)))}(?![\w.])", text)
            for parent, text in lists
            for name in names
        ):
            found.append(f"{path}:1: no CMakeLists.txt builds it")
    for path, text in files.items():
        if path.endswith("CMakeLists.txt") and path.startswith(("src/", "tests/native/", "benchmarks/")):
            folder = PurePosixPath(path).parent
            for name in re.findall(r"(?<![\w./{}$])([\w./]+\.cc)\b", re.sub(r"#.*", "", text)):
                if posixpath.normpath(folder / name) not in files:
                    found.append(f"{path}:1: names {name}, which does not exist")
    return found


# Spelled in two halves, so that this file does not complain of itself.
MACHINE = re.compile(
    "|".join(
        re.escape(first + second)
        for first, second in (
            ("/wo", "rk/"),
            ("/ro", "ot/"),
            ("/opt/", "wheels"),
            ("/tmp/", "build-"),
            ("/tmp/", "bash_"),
            ("deb.", "debian.org"),
            ("security.", "debian.org"),
            ("snapshot.", "debian.org"),
            ("archive.", "ubuntu.com"),
            ("pypi.", "org"),
            ("files.", "pythonhosted.org"),
            ("registry.", "npmjs.org"),
            ("proxy.", "golang.org"),
            ("crates.", "io/"),
            ("PRIVATE", " KEY-----"),
        )
    )
)


def no_machine_in_the_tree(files: Files) -> list[str]:
    """No path of a machine it was written on, no package registry's address, and nobody's private key."""
    return [
        f"{path}:{line_of(text, match.start())}: {match[0]} belongs to a machine, not to the tree"
        for path, text in files.items()
        if path != "LICENSE"
        for match in MACHINE.finditer(text)
    ]


def plain_errors(files: Files) -> list[str]:
    """No exception is thrown in the core but the allocator's own: folders answer with Result (bindings translate)."""
    found = []
    for path, folder, raw in engine_files(files):
        if folder != "bindings":
            text = without_comments(raw)
            found.extend(
                f"{path}:{line_of(text, match.start())}: throw: answer with a Result"
                for match in re.finditer(r"(?<![\w\"'])throw\b(?!\s+std::bad_alloc\b)", text)
            )
    return found


LINK = re.compile(r"\]\(([^)\s]+)\)")


def links_lead_somewhere(files: Files) -> list[str]:
    """Every relative link of a Markdown file names a file or folder of the tree."""
    folders = {str(parent) for path in files for parent in PurePosixPath(path).parents}
    found = []
    for path, text in files.items():
        if suffix(path) != ".md":
            continue
        for match in LINK.finditer(text):
            name = match[1].partition("#")[0]
            target = posixpath.normpath(PurePosixPath(path).parent / name)
            if name and "://" not in name and target not in files and target not in folders:
                found.append(f"{path}:{line_of(text, match.start())}: {match[1]} leads nowhere")
    return found


RULES = (
    include_ranks,
    parsers_own_nothing,
    libraries_in_their_place,
    only_the_gate_publishes,
    exits_accept_published_only,
    file_sizes,
    few_macros,
    python_planes,
    cython_knows_the_header_only,
    folders_explain_themselves,
    cmake_lists_every_source,
    links_lead_somewhere,
    no_machine_in_the_tree,
    plain_errors,
)
