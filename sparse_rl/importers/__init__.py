"""Policies that were trained elsewhere, read as graphs; nothing in their files is executed."""

from sparse_rl.importers.imported import Imported, OutputError
from sparse_rl.importers.policy import read_policy

__all__ = ["Imported", "OutputError", "read_policy"]
