"""C as Arduino and ESP-IDF expect it.

No toolchain for either installs here, so both are built for this machine: the sketch against a few
lines in place of the Arduino core, the component by CMake with a stand-in for
`idf_component_register`.
"""

import json
import shutil

import numpy as np
import pytest
import yaml

from benchmarks.synthetic import mlp_actor, random_observations
from sparse_rl.artifact.compaction import compact
from sparse_rl.artifact.delivery import prepare, write
from sparse_rl.artifact.formats import CProgram
from tests.artifact.package_builds import (
    ABOUT,
    GCC,
    GRAPHS,
    GXX,
    STRICT_C,
    STRICT_CXX,
    built_by_cmake,
    close,
    files,
    needs_cmake,
    needs_compiler,
    needs_cxx,
    package,
    run,
)

pytestmark = needs_compiler


@pytest.fixture(params=GRAPHS)
def graph(request):
    return GRAPHS[request.param]


ARDUINO_CORE = """
#include <cstdio>
#include <cstdlib>

struct Print {
    void begin(long) {}
    void print(const char *text) { std::printf("%s", text); }
    void print(int number) { std::printf("%d", number); }
    void print(double number) { std::printf("%.9g", number); }
    void println(const char *text) { std::printf("%s\\n", text); }
    void println(int number) { std::printf("%d\\n", number); }
    void println(unsigned long number) { std::printf("%lu\\n", number); }
};
static Print Serial;
static unsigned long micros() { static unsigned long now = 0; return now += 5; }
static void delay(unsigned long) { std::exit(0); }
"""


@needs_cxx
def test_arduino_sketch_asks_for_known_answers_and_acts(graph, tmp_path):
    folder, seen = package(graph, "arduino", tmp_path)
    assert files(folder) == {
        "library.properties", "src/walker_actor.h", "src/walker_actor.c", "src/walker_selftest.c",
        "examples/SelfTest/SelfTest.ino",
    }  # fmt: skip
    lines = (folder / "library.properties").read_text().splitlines()
    said = dict(line.split("=", 1) for line in lines)
    assert said["name"] == "walker_actor" and said["includes"] == "walker_actor.h"
    assert said["version"].count(".") == 2 and said["architectures"] == "*"
    assert said["sentence"] == "mujoco/Walker2d-v4, variant 0.9-int8, seed 3"
    assert {"author", "maintainer", "paragraph", "category", "url"} <= set(said)
    # As the IDE does: the core's header in front of the sketch, C compiled as C.
    (tmp_path / "Arduino.h").write_text(ARDUINO_CORE)
    sketch = (folder / "examples" / "SelfTest" / "SelfTest.ino").read_text()
    end = "\nint main() { setup(); for (;;) loop(); }\n"
    (tmp_path / "sketch.cpp").write_text(f'#include "Arduino.h"\n{sketch}{end}')
    sources = [str(file) for file in sorted((folder / "src").glob("*.c"))]
    run(GCC, *STRICT_C, "-Os", "-c", *sources, cwd=tmp_path)
    link = ["sketch.cpp", "walker_actor.o", "walker_selftest.o", "-lm"]
    run(GXX, *STRICT_CXX, "-Os", "-I", folder / "src", "-o", "sketch", *link, cwd=tmp_path)
    first, second = run(tmp_path / "sketch").splitlines()
    assert first == "all known answers are given"
    acted, _, taken = second.removeprefix("action ").partition(", microseconds: ")
    close(graph, acted, np.zeros_like(seen[:1]))
    assert taken == "5"


IDF = """
cmake_minimum_required(VERSION 3.16)
project(firmware LANGUAGES C)
function(idf_component_register)
  cmake_parse_arguments(ARG "" "" "SRCS;INCLUDE_DIRS" ${ARGN})
  if(ARG_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "unknown: ${ARG_UNPARSED_ARGUMENTS}")
  endif()
  add_library(component STATIC ${ARG_SRCS})
  target_include_directories(component PUBLIC ${ARG_INCLUDE_DIRS})
  set(COMPONENT_LIB component PARENT_SCOPE)
endfunction()
add_subdirectory(component)
add_executable(firmware main.c)
target_link_libraries(firmware component m)
"""


@needs_cmake
def test_esp_idf_component_registers_its_sources(graph, tmp_path):
    folder, _ = package(graph, "esp-idf", tmp_path)
    assert files(folder) == {
        "CMakeLists.txt", "idf_component.yml", "include/walker_actor.h",
        "include/walker_actor.hpp", "src/walker_actor.c", "src/walker_selftest.c",
    }  # fmt: skip
    said = yaml.safe_load((folder / "idf_component.yml").read_text())
    assert said["description"] == "mujoco/Walker2d-v4, variant 0.9-int8, seed 3"
    assert len(said["version"].split(".")) == 3
    shutil.copytree(folder, tmp_path / "firmware" / "component")
    (tmp_path / "firmware" / "CMakeLists.txt").write_text(IDF)
    main = '#include "walker_actor.h"\nint main(void) { return walker_selftest(); }\n'
    (tmp_path / "firmware" / "main.c").write_text(main)
    options = ("-DCMAKE_EXPORT_COMPILE_COMMANDS=1",)
    built_by_cmake(tmp_path / "firmware", tmp_path / "build", *options)
    run(tmp_path / "build" / "firmware")
    compiled = json.loads((tmp_path / "build" / "compile_commands.json").read_text())
    own = [one["command"] for one in compiled if "/src/" in one["file"]]
    assert len(own) == 2 and all("-ffp-contract=off" in command for command in own)


@pytest.mark.parametrize(
    ("form", "asked", "kernel"),
    [
        ("cmake", None, "full"),
        ("arduino", None, "rows"),
        ("esp-idf", "host", "full"),
        ("cmake", "microcontroller", "rows"),
    ],
)
def test_boards_get_small_code_unless_something_else_is_asked_for(tmp_path, form, asked, kernel):
    graph = compact(mlp_actor((17, 64, 64, 6), 0.8, "int8"))
    delivery = prepare(graph, ABOUT, random_observations(graph, 30))
    written = write(delivery, form, tmp_path, CProgram(asked))
    code = (written.path / "src" / "srl_actor.c").read_text()
    assert f"weights, {kernel}. */" in code
