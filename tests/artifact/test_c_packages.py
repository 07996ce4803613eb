"""C as build tools expect it: each package is built by its tool, or by a stand-in for it, and run.

No toolchain for Arduino or ESP-IDF installs here, so theirs are built for this machine: the sketch
against a few lines in place of the Arduino core, the component by CMake with a stand-in for
`idf_component_register`.
"""

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import yaml

from benchmarks.synthetic import minatar_q_network, mlp_actor, random_observations
from sparse_rl.artifact import reference
from sparse_rl.artifact.compaction import compact
from sparse_rl.artifact.delivery import CProgram, prepare, write
from sparse_rl.artifact.packed import PackedActor, Provenance
from sparse_rl.artifact.runtime import Actor

GCC, GXX, CMAKE = (shutil.which(name) for name in ("gcc", "g++", "cmake"))
pytestmark = pytest.mark.skipif(GCC is None, reason="gcc not found")
needs_cxx = pytest.mark.skipif(GXX is None, reason="g++ not found")
needs_cmake = pytest.mark.skipif(CMAKE is None, reason="cmake not found")
WARNINGS = ["-Wall", "-Wextra", "-Wshadow", "-pedantic", "-Werror"]
STRICT_C = ["-std=c99", *WARNINGS, "-ffp-contract=off"]
STRICT_CXX = ["-std=c++17", *WARNINGS]
GRAPHS = {
    "mlp": compact(mlp_actor((17, 32, 32, 6), 0.9, "int8")),
    "minatar": compact(minatar_q_network(0.95, "float32")),
}
ABOUT = Provenance("mujoco/Walker2d-v4", "0.9-int8", 3, "", 1234.5)


@pytest.fixture(params=GRAPHS)
def graph(request):
    return GRAPHS[request.param]


def package(graph, form, folder, prefix="walker"):
    """The folder of a delivered package, and observations for it."""
    seen = random_observations(graph, 30)
    written = write(prepare(graph, ABOUT, seen), form, folder, CProgram(prefix=prefix))
    return written.path, seen


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def run(*command, cwd=None, text=None) -> str:
    done = subprocess.run(command, cwd=cwd, input=text, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def built_by_cmake(project: Path, build: Path, *options: str) -> None:
    run(CMAKE, "-S", project, "-B", build, "-DCMAKE_C_FLAGS=" + " ".join(WARNINGS), *options)
    run(CMAKE, "--build", build)


def close(graph, printed: str, seen) -> None:
    """Compares printed actions, one in a line, with NumPy's."""
    expected = reference.act(graph, seen)
    found = np.array([line.split() for line in printed.splitlines()], float)
    np.testing.assert_allclose(found.reshape(expected.shape), expected, rtol=0, atol=1e-5)


def as_text(seen) -> str:
    return "\n".join(" ".join(f"{float(x):.9g}" for x in row.ravel()) for row in seen)


CPP_PROGRAM = """
#include <cstdio>
#include <limits>
#include <type_traits>
#include "PREFIX_actor.hpp"

static_assert(noexcept(PREFIX_actor::act(PREFIX_actor::Observation{})));
static_assert(std::is_same_v<decltype(PREFIX_actor::act({})), std::optional<PREFIX_actor::Action>>);

int main()
{
    PREFIX_actor::Observation observation{};
    double number;
    std::size_t n = 0;
    while (std::scanf("%lf", &number) == 1) {
        observation[n++] = static_cast<UPPER_observation>(number);
        if (n < observation.size()) continue;
        n = 0;
        const auto action = PREFIX_actor::act(observation);
        if (!action || !PREFIX_actor::outputs(observation)) return 1;
        SHOW
    }
    using Number = PREFIX_actor::Observation::value_type;
    if (std::numeric_limits<Number>::has_infinity) {
        observation[0] = std::numeric_limits<Number>::infinity();
        if (PREFIX_actor::act(observation) || PREFIX_actor::outputs(observation)) return 2;
    }
    return PREFIX_actor::selftest() ? 0 : 3;
}
"""


def cpp_program(graph, prefix: str) -> str:
    if GRAPHS["mlp"] is graph:
        show = 'for (const float value : *action) { std::printf("%.9g ", value); } std::puts("");'
    else:
        show = 'std::printf("%d\\n", *action);'
    text = CPP_PROGRAM.replace("PREFIX", prefix).replace("UPPER", prefix)
    return text.replace("SHOW", show)


@needs_cxx
def test_cpp_acts_as_numpy_and_refuses_what_is_not_finite(graph, tmp_path):
    folder, seen = package(graph, "c", tmp_path)
    (folder / "robot.cpp").write_text(cpp_program(graph, "walker"))
    run(GCC, *STRICT_C, "-O1", "-c", "walker_actor.c", "walker_selftest.c", cwd=folder)
    objects = ("walker_actor.o", "walker_selftest.o")
    run(GXX, *STRICT_CXX, "-O1", "-o", "robot", "robot.cpp", *objects, "-lm", cwd=folder)
    close(graph, run(folder / "robot", text=as_text(seen)), seen)


@needs_cmake
def test_cmake_builds_tests_and_runs_the_example(graph, tmp_path):
    folder, seen = package(graph, "cmake", tmp_path)
    assert files(folder) == {
        "CMakeLists.txt", "include/walker_actor.h", "include/walker_actor.hpp",
        "src/walker_actor.c", "src/walker_selftest.c", "tests/walker_selftest_main.c",
        "examples/main.c",
    }  # fmt: skip
    built_by_cmake(folder, tmp_path / "build")
    told = run("ctest", "--test-dir", tmp_path / "build", "--no-tests=error")
    assert "1/1 Test #1: walker_actor_selftest" in told and "100% tests passed" in told
    close(graph, run(tmp_path / "build" / "walker_actor_example", text=as_text(seen)), seen)


@needs_cmake
def test_a_wrong_answer_fails_in_ctest(tmp_path):
    folder, _ = package(GRAPHS["mlp"], "cmake", tmp_path)
    file = folder / "src" / "walker_selftest.c"
    found = file.read_text()
    file.write_text(found.replace("- answers[", "- 1.5f * answers["))
    assert file.read_text() != found
    built_by_cmake(folder, tmp_path / "build", "-DCMAKE_BUILD_TYPE=Debug")
    told = subprocess.run(["ctest", "--test-dir", tmp_path / "build"], capture_output=True)
    assert told.returncode != 0


@needs_cmake
@needs_cxx
def test_an_installed_package_is_found_and_linked_from_cpp(tmp_path):
    """By its alias; and with a second actor in the same program, added as a folder."""
    mlp, minatar = GRAPHS["mlp"], GRAPHS["minatar"]
    folder, seen = package(mlp, "cmake", tmp_path / "a")
    other, _ = package(minatar, "cmake", tmp_path / "b", "breakout")
    built_by_cmake(folder, tmp_path / "build")
    run(CMAKE, "--install", tmp_path / "build", "--prefix", tmp_path / "installed")
    shutil.rmtree(folder)
    robot = tmp_path / "robot"
    robot.mkdir()
    (robot / "CMakeLists.txt").write_text(f"""
        cmake_minimum_required(VERSION 3.21)
        project(robot LANGUAGES C CXX)
        set(CMAKE_CXX_STANDARD 17)
        find_package(walker_actor REQUIRED)
        add_subdirectory({other} breakout)
        add_executable(robot robot.cpp)
        target_link_libraries(robot walker::actor breakout::actor)
        add_executable(both both.c)
        target_link_libraries(both walker::actor breakout::actor)
    """)
    (robot / "robot.cpp").write_text(cpp_program(mlp, "walker"))
    (robot / "both.c").write_text("""
        #include <walker_actor.h>
        #include <breakout_actor.h>
        int main(void) { return walker_selftest() + breakout_selftest(); }
    """)
    built_by_cmake(robot, tmp_path / "out", f"-DCMAKE_PREFIX_PATH={tmp_path / 'installed'}")
    close(mlp, run(tmp_path / "out" / "robot", text=as_text(seen)), seen)
    run(tmp_path / "out" / "both")
    # An actor within another project adds no tests or programs of its own.
    assert not list((tmp_path / "out").rglob("breakout_actor_example*"))


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
        ("esp-idf-integer", None, "rows"),
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


def test_an_integer_package_is_of_the_integer_actor(tmp_path):
    """With the measured return of neither."""
    graph = GRAPHS["mlp"]
    delivery = prepare(graph, ABOUT, random_observations(graph, 30))
    written = write(delivery, "arduino-integer", tmp_path)
    assert written.path.name == "arduino-integer"
    assert "1234.5" not in (written.path / "src" / "srl_actor.h").read_text()
    assert delivery.integer is not None
    by_numpy = Actor(PackedActor(delivery.integer.graph, unit=delivery.integer.unit), "numpy")
    assert "int64_t" in (written.path / "src" / "srl_actor.c").read_text()
    off = np.abs(by_numpy(delivery.observations) - reference.act(graph, delivery.observations))
    assert written.difference == pytest.approx(off.max(), abs=1e-5)
