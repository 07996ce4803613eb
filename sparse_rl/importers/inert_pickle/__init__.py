"""A pickle read as data: nothing that it names is imported, called or given an attribute."""

from sparse_rl.importers.inert_pickle.reading import MOST_BYTES, MOST_OPCODES, loads
from sparse_rl.importers.inert_pickle.record import Record

__all__ = ["MOST_BYTES", "MOST_OPCODES", "Record", "loads"]
