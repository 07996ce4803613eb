"""A pickle read as data: nothing that it names is imported, called or given an attribute.

The pickle machine is run here, on the opcodes that `pickletools.genops` reads, with one difference:
a global is a `Record` of its module and name, and calling it gives a `Record` of the call. So what
comes out is made of None, booleans, numbers, strings, bytes, lists, tuples, dictionaries, sets and
records. Nothing here follows references, so files that nest deeply or hold one object a million
times take no more time than others; whoever reads the result must go to known places in it.

Source: the comments of Python's `pickletools` and `pickle`, protocols 0 to 5.
"""

from __future__ import annotations

import io
import pickletools
from typing import Any

from sparse_rl.importers.inert_pickle.machine import Machine, Persistent
from sparse_rl.importers.inert_pickle.record import Record

__all__ = ["MOST_BYTES", "Record", "loads"]

MOST_BYTES = 1 << 26
MOST_OPCODES = 1 << 20


def loads(data: bytes, persistent: Persistent | None = None) -> Any:
    """The object in a pickle, as data. `persistent` gives what stands for a persistent id.

    An `OrderedDict` is a dictionary. Raises ValueError, one line, for what is no whole pickle, for
    more than 64 MiB or 2^20 opcodes, and for integers or keys that no pickle of a policy has.
    """
    if len(data) > MOST_BYTES:
        raise ValueError(f"a pickle of {len(data)} bytes; allowed: {MOST_BYTES}")
    machine = Machine(persistent)
    try:
        for count, (opcode, argument, _) in enumerate(pickletools.genops(io.BytesIO(data))):
            if count >= MOST_OPCODES:
                raise ValueError(f"a pickle of more than {MOST_OPCODES} opcodes")
            if opcode.name == "STOP":
                return machine.pop()
            machine.step(opcode.name, argument)
    except (IndexError, TypeError, OverflowError, UnicodeError) as error:
        raise ValueError(f"a damaged pickle: {type(error).__name__}") from None
    except ValueError as error:
        first = (str(error).splitlines() or [""])[0]
        raise ValueError(f"a damaged pickle: {first[:200]}") from None
    raise ValueError("a damaged pickle: it ends early")
