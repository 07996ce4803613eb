"""A CMake project: a static library with an alias, its self-test in CTest, installable."""

from __future__ import annotations

from collections.abc import Mapping

from sparse_rl.artifact.source_files import version

_SELFTEST_PROGRAM = """\
/* Exit status 0 where all known answers are given on this machine. */
#include <stdio.h>

#include "srl_actor.h"

int main(void)
{
#ifdef SRL_SCRATCH_BYTES /* a large actor has more arrays than a stack holds */
    static srl_scratch scratch;
    const int wrong = srl_selftest_in(&scratch);
#else
    const int wrong = srl_selftest();
#endif
    if (wrong) printf("known answer %d is not given here\\n", wrong);
    return wrong != 0;
}
"""

_LISTS = """\
# {title}
#
#   add_subdirectory(cmake)                or, once installed, find_package(srl_actor)
#   target_link_libraries(robot srl::actor)
cmake_minimum_required(VERSION 3.21)
project(srl_actor VERSION {version} LANGUAGES C)
include(GNUInstallDirs)

if(PROJECT_IS_TOP_LEVEL AND NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE Release)
endif()

# The known answers are in an archive: what does not call them does not contain them.
add_library(srl_actor STATIC src/srl_actor.c src/srl_selftest.c)
add_library(srl::actor ALIAS srl_actor)
# It is C99; MSVC knows restrict in C11 alone.
set_target_properties(srl_actor PROPERTIES
  EXPORT_NAME actor
  C_STANDARD 11
  C_EXTENSIONS OFF
  POSITION_INDEPENDENT_CODE ON)
target_include_directories(srl_actor PUBLIC
  $<BUILD_INTERFACE:${CMAKE_CURRENT_SOURCE_DIR}/include>
  $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
# A product and a sum that are rounded once would be other numbers.
target_compile_options(srl_actor PRIVATE
  $<$<C_COMPILER_ID:GNU,Clang,AppleClang>:-ffp-contract=off>
  $<$<C_COMPILER_ID:MSVC>:/fp:precise>)
if(UNIX)
  target_link_libraries(srl_actor PRIVATE m)
endif()

option(SRL_ACTOR_TESTS "build the self-test and the example" ${PROJECT_IS_TOP_LEVEL})
if(SRL_ACTOR_TESTS)
  enable_testing()
  add_executable(srl_actor_selftest tests/srl_selftest_main.c)
  target_link_libraries(srl_actor_selftest PRIVATE srl_actor)
  add_test(NAME srl_actor_selftest COMMAND srl_actor_selftest)
  add_executable(srl_actor_example examples/main.c)
  target_link_libraries(srl_actor_example PRIVATE srl_actor)
endif()

install(TARGETS srl_actor EXPORT srl_actor)
install(FILES include/srl_actor.h include/srl_actor.hpp TYPE INCLUDE)
install(EXPORT srl_actor
  FILE srl_actor-config.cmake
  NAMESPACE srl::
  DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/srl_actor)
"""


def cmake(sources: Mapping[str, str], title: str) -> dict[str, str]:
    """The files of the project; srl_actor.hpp, for C++17, lies beside the C header."""
    return {
        "CMakeLists.txt": _LISTS.replace("{title}", title).replace("{version}", version()),
        "include/srl_actor.h": sources["srl_actor.h"],
        "include/srl_actor.hpp": sources["srl_actor.hpp"],
        "src/srl_actor.c": sources["srl_actor.c"],
        "src/srl_selftest.c": sources["srl_selftest.c"],
        "tests/srl_selftest_main.c": _SELFTEST_PROGRAM,
        "examples/main.c": sources["main.c"],
    }
