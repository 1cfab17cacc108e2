"""`pip install .` into a clean environment, used from outside the source tree: import, command, programs, C hosts."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.slow

C_HOST = """
#include <stdio.h>
#include <string.h>
#include "vigie/vigie.h"
int main(void) {
  vigie_engine* engine = NULL;
  uint32_t wrong = vigie_engine_create(VIGIE_ABI_VERSION + 100, NULL, &engine, NULL);
  uint32_t right = vigie_engine_create(VIGIE_ABI_VERSION, NULL, &engine, NULL);
  printf("%s %u %u %s\\n", vigie_version(), wrong, right, vigie_code_name(VIGIE_ERROR_ABI_MISMATCH));
  vigie_engine_free(engine);
  return 0;
}
"""
C_PROJECT = """
cmake_minimum_required(VERSION 3.24)
project(host C)
find_package(vigie 0.1 REQUIRED)
add_executable(host host.c)
target_link_libraries(host PRIVATE vigie::engine)
"""


class Installed:
    """A clean environment with vigie in it, and a folder away from the source tree."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.venv = folder / "venv"
        # Nothing of the surrounding environment may help: no PYTHONPATH, no activated .venv.
        self.env = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "VIRTUAL_ENV"))}
        self.env["PATH"] = f"{self.venv / 'bin'}:/usr/local/bin:/usr/bin:/bin"
        # As tools/build compiles: what ccache saw there is not compiled a second time.
        self.env = {"CC": "cc", "CXX": "c++"} | self.env

    def run(self, *command: object, timeout: float = 120) -> str:
        """Runs a command in the folder; its output, or a failure that shows it."""
        done = subprocess.run(
            [str(part) for part in command],
            cwd=self.folder,
            env=self.env,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        assert done.returncode == 0, f"{command}: exit {done.returncode}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
        return done.stdout

    def python(self, code: str) -> str:
        """What a line of Python prints in the clean environment."""
        return self.run(self.venv / "bin" / "python", "-c", code).strip()

    @property
    def package(self) -> Path:
        """site-packages/vigie."""
        return Path(self.python("import vigie; print(vigie.__path__[0])"))

    def build_host(self, source: Path) -> Path:
        """Configures and builds a CMake project against the installed package; its build folder."""
        build = self.folder / f"build-{source.name}"
        cmake_dir = self.python("import vigie; print(vigie.cmake_dir())")
        self.run("cmake", "-S", source, "-B", build, f"-Dvigie_DIR={cmake_dir}")
        self.run("cmake", "--build", build)
        return build


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    place = Installed(tmp_path_factory.mktemp("installed"))
    place.run(Path(sys.base_prefix) / "bin" / f"python3.{sys.version_info.minor}", "-m", "venv", place.venv)
    # A build folder that stays makes a second run short; it lies as deep as build/, so ccache has seen the same paths.
    install = [
        place.venv / "bin" / "pip",
        "install",
        "-q",
        f"--config-settings=build-dir={ROOT / 'build-wheel'}",
        ROOT,
    ]
    place.run(*install, timeout=1100)
    return place


@pytest.mark.timeout(1200)
def test_import_and_command_come_from_the_environment(installed: Installed) -> None:
    assert installed.package.is_relative_to(installed.venv)
    assert re.fullmatch(r"\d+\.\d+\.\d+", installed.python("import importlib.metadata as m; print(m.version('vigie'))"))
    assert "serve" in installed.run("vigie", "--help")


def test_an_engine_runs_and_one_library_serves_both_extensions(installed: Installed) -> None:
    maps = installed.python(
        "import vigie, vigie._core, vigie._views\n"
        "engine = vigie.Engine(); engine.close()\n"
        "print({line.split()[-1] for line in open('/proc/self/maps') if 'libvigie_engine' in line})"
    )
    assert maps == str({str(installed.package / "libvigie_engine.so")})


def test_the_core_is_optimised() -> None:
    cache = (ROOT / "build-wheel" / "CMakeCache.txt").read_text(encoding="utf-8")
    assert "CMAKE_BUILD_TYPE:STRING=Release" in cache
    commands = (ROOT / "build-wheel" / "compile_commands.json").read_text(encoding="utf-8")
    assert re.search(r"-O[23] [^\n]*runtime/", commands)


def test_the_library_shows_only_its_own_names(installed: Installed) -> None:
    names = installed.run("nm", "-DC", "--defined-only", installed.package / "libvigie_engine.so").splitlines()
    shown = [line.split(maxsplit=2)[2] for line in names]
    assert "vigie_engine_create" in shown
    ours = re.compile(r"vigie_\w+|((typeinfo|typeinfo name|vtable) for )?vigie::.*|(non-)?virtual thunk to vigie::.*")
    assert [name for name in shown if not ours.fullmatch(name)] == []


@pytest.mark.parametrize("program", ["vigie-sim", "vigie-load"])
def test_programs_are_in_the_package(installed: Installed, program: str) -> None:
    assert installed.run(installed.package / "bin" / program, "--help")


def test_a_c_host_finds_the_package(installed: Installed) -> None:
    source = installed.folder / "inline_host"
    source.mkdir()
    (source / "host.c").write_text(C_HOST, encoding="utf-8")
    (source / "CMakeLists.txt").write_text(C_PROJECT, encoding="utf-8")
    assert installed.run(installed.build_host(source) / "host").split() == ["0.1.0", "106", "0", "abi_mismatch"]


@pytest.fixture(scope="module")
def clip(installed: Installed) -> Path:
    """Two seconds of H.264 with a moving picture."""
    path = installed.folder / "clip.mp4"
    source = ["-f", "lavfi", "-i", "testsrc2=size=320x240:rate=25", "-t", "2"]
    installed.run("ffmpeg", "-v", "error", *source, "-c:v", "libx264", "-g", "25", "-bf", "0", "-y", path)
    return path


def decoded_pictures(installed: Installed, path: Path) -> int:
    """How many pictures FFmpeg decodes from a file; an error of the decoder fails."""
    count = ["-count_frames", "-show_entries", "stream=nb_read_frames", "-of", "csv=p=0"]
    return int(installed.run("ffprobe", "-v", "error", "-err_detect", "explode", *count, path).strip())


def test_the_c_example_builds_and_runs(installed: Installed, clip: Path) -> None:
    source = installed.folder / "c_host"
    shutil.copytree(ROOT / "examples" / "c_host", source)
    seen = installed.folder / "seen_c.h264"
    assert installed.run(installed.build_host(source) / "c_host", clip, seen, 30).strip()
    assert decoded_pictures(installed, seen) == 30


def test_the_python_example_runs(installed: Installed, clip: Path) -> None:
    source = installed.folder / "python_host"
    shutil.copytree(ROOT / "examples" / "python_host", source)
    seen = installed.folder / "seen_python.h264"
    assert installed.run(installed.venv / "bin" / "python", source / "host.py", clip, seen, 30).strip()
    assert decoded_pictures(installed, seen) == 30


def test_cmake_install_gives_the_same_package(installed: Installed) -> None:
    prefix = installed.folder / "prefix"
    installed.run("cmake", "--install", ROOT / "build", "--prefix", prefix)
    names = {path.name for path in prefix.rglob("*") if path.is_file()}
    assert {"libvigie_engine.so", "vigie.h", "vigie_errors.h", "vigieConfig.cmake", "vigie-sim", "vigie-load"} <= names
    assert not [name for name in names if name.endswith((".a", ".py"))]
