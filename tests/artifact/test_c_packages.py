"""C as CMake and C++ expect it: delivered, built, tested, installed and run."""

import shutil
import subprocess

import pytest

from tests.artifact.package_builds import (
    CMAKE,
    GCC,
    GRAPHS,
    GXX,
    STRICT_C,
    STRICT_CXX,
    as_text,
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
