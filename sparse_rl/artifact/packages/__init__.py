"""The C of an actor as a folder that a build tool expects, by the tool's name."""

from collections.abc import Callable, Mapping

from sparse_rl.artifact.packages.arduino import arduino
from sparse_rl.artifact.packages.cmake import cmake
from sparse_rl.artifact.packages.esp_idf import esp_idf

PACKAGES: Mapping[str, Callable[[Mapping[str, str], str], dict[str, str]]] = {
    "cmake": cmake,
    "arduino": arduino,
    "esp-idf": esp_idf,
}
"""Each takes the files of a `c_source.Source` and a title, and gives its own files by path."""

__all__ = ["PACKAGES"]
