"""A component for ESP-IDF: to be copied to components/srl_actor of a project."""

from __future__ import annotations

import json
from collections.abc import Mapping

from sparse_rl.artifact.source_files import version

_LISTS = """\
# The known answers are in an archive: what does not call srl_selftest does not contain them.
idf_component_register(
  SRCS "src/srl_actor.c" "src/srl_selftest.c"
  INCLUDE_DIRS "include")
# A product and a sum that are rounded once would be other numbers.
target_compile_options(${COMPONENT_LIB} PRIVATE -ffp-contract=off)
"""


def esp_idf(sources: Mapping[str, str], title: str) -> dict[str, str]:
    """The files of the component; srl_actor.hpp, for C++17, lies beside the C header."""
    return {
        "CMakeLists.txt": _LISTS,
        "idf_component.yml": f'version: "{version()}"\ndescription: {json.dumps(title)}\n',
        "include/srl_actor.h": sources["srl_actor.h"],
        "include/srl_actor.hpp": sources["srl_actor.hpp"],
        "src/srl_actor.c": sources["srl_actor.c"],
        "src/srl_selftest.c": sources["srl_selftest.c"],
    }
