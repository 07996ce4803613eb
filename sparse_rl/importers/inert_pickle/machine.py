"""The pickle machine, its opcodes run on data alone: a call gives the record of a call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sparse_rl.importers.inert_pickle.record import Record

Persistent = Callable[[Any], Any]
"""From a persistent id to what stands for it."""

_LONGEST_INTEGER = 1 << 4096
"""States of random generators have some hundred bits."""
_LARGEST_MEMO = 1 << 24
_MOST_NUMERIC_KEYS = 1 << 10
"""Hashes of numbers can be made to collide, and a dictionary of them slow; those of strings not."""

_MARK = object()
_SIMPLE = (str, bytes, int, float, bool, type(None))


class Machine:
    """The stack and the memo of one pickle; `step` runs one opcode, `pop` gives the result."""

    def __init__(self, persistent: Persistent | None) -> None:
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}
        self.persistent = persistent
        self.numeric_keys = 0

    def step(self, name: str, argument: Any) -> None:
        if name in _PUSHED:
            self.push(_checked(argument))
        elif name in _CONSTANTS:
            self.push(_CONSTANTS[name])
        elif name in _METHODS:
            _METHODS[name](self, argument)
        elif name not in ("PROTO", "FRAME"):
            raise ValueError(f"the opcode {name} is not read")

    def push(self, value: Any) -> None:
        self.stack.append(value)

    def pop(self) -> Any:
        value = self.stack.pop()
        if value is _MARK:
            raise ValueError("a mark where an object should be")
        return value

    def top(self) -> Any:
        if self.stack[-1] is _MARK:
            raise ValueError("a mark where an object should be")
        return self.stack[-1]

    def drop(self) -> None:
        self.stack.pop()  # a mark, too

    def drop_since_mark(self) -> None:
        self.since_mark()

    def since_mark(self) -> list[Any]:
        found: list[Any] = []
        while (value := self.stack.pop()) is not _MARK:
            found.append(value)
        found.reverse()
        return found

    def last(self, count: int) -> tuple[Any, ...]:
        values = [self.pop() for _ in range(count)]
        return tuple(reversed(values))

    # Containers

    def extend(self, values: list[Any]) -> None:
        target = self.top()
        if not isinstance(target, list | Record):
            raise ValueError(f"elements for a {type(target).__name__}")
        (target if isinstance(target, list) else target.entries).extend(values)

    def set_items(self, values: list[Any]) -> None:
        target = self.top()
        keys = values[::2]
        if len(values) % 2:
            raise ValueError("a key without a value")
        if isinstance(target, Record):
            target.entries.extend(zip(keys, values[1::2], strict=True))
        elif isinstance(target, dict):
            for key, value in zip(keys, values[1::2], strict=True):
                target[self.key(key)] = value
        else:
            raise ValueError(f"items for a {type(target).__name__}")

    def dictionary(self, values: list[Any]) -> None:
        self.push({})
        self.set_items(values)

    def add(self, values: list[Any]) -> None:
        target = self.top()
        if isinstance(target, Record):
            target.entries.extend(values)
        elif isinstance(target, set):
            target.update([self.key(value) for value in values])
        else:
            raise ValueError(f"elements for a {type(target).__name__}")

    def key(self, value: Any) -> Any:
        """`value` as a key: a string, number or short tuple of them, or else a record of it.

        A tuple of tuples could take forever to hash, and a record is equal to itself alone.
        """
        if type(value) in (str, bytes):
            return value
        self.numeric_keys += 1
        if self.numeric_keys > _MOST_NUMERIC_KEYS:
            raise ValueError(f"more than {_MOST_NUMERIC_KEYS} keys that are no strings")
        elements = value if type(value) is tuple and len(value) <= 16 else (value,)
        if all(type(element) in _SIMPLE for element in elements):
            return value
        return Record("", "key", (value,))

    def frozen_set(self) -> None:
        self.push(frozenset([self.key(value) for value in self.since_mark()]))

    # Globals, and what is made of them

    def named(self, module: Any, name: Any) -> Record:
        if not (isinstance(module, str) and isinstance(name, str)):
            raise ValueError("a global whose name is no string")
        return Record(module, name)

    def stack_global(self) -> None:
        module, name = self.last(2)
        self.push(self.named(module, name))

    def call(self, function: Any, arguments: Any) -> None:
        if not isinstance(function, Record) or type(arguments) is not tuple:
            raise ValueError("a call of something that is no global")
        if function.called:
            self.push(Record("", "", (function, arguments)))
        elif (function.module, function.name) == ("collections", "OrderedDict") and not arguments:
            self.push({})
        else:
            self.push(Record(function.module, function.name, arguments))

    def reduce(self, with_keywords: bool = False) -> None:
        if with_keywords:
            self.pop()
        function, arguments = self.last(2)
        self.call(function, arguments)

    def instance(self, argument: str) -> None:
        module, _, name = argument.partition(" ")
        self.call(self.named(module, name), tuple(self.since_mark()))

    def object(self) -> None:
        function, *arguments = self.since_mark()
        self.call(function, tuple(arguments))

    def build(self) -> None:
        state = self.pop()
        target = self.top()
        if isinstance(target, Record):
            target.state = state
        elif not isinstance(target, dict):  # an OrderedDict has attributes, which nothing needs
            raise ValueError(f"a state for a {type(target).__name__}")

    def persistent_id(self, identifier: Any) -> None:
        if self.persistent is None:
            raise ValueError("a persistent id, which only PyTorch's files may have")
        self.push(self.persistent(identifier))

    # The memo

    def put(self, index: int) -> None:
        if not 0 <= index < _LARGEST_MEMO:
            raise ValueError(f"the memo has no place {index}")
        self.memo[index] = self.top()

    def get(self, index: int) -> None:
        if index not in self.memo:
            raise ValueError(f"nothing stands at place {index} of the memo")
        self.push(self.memo[index])


def _checked(argument: Any) -> Any:
    if type(argument) is int and abs(argument) > _LONGEST_INTEGER:
        raise ValueError("an integer of more than 4096 bits")
    return bytes(argument) if isinstance(argument, bytearray) else argument


_PUSHED = frozenset(
    {
        "INT",
        "BININT",
        "BININT1",
        "BININT2",
        "LONG",
        "LONG1",
        "LONG4",
        "FLOAT",
        "BINFLOAT",
        "STRING",
        "BINSTRING",
        "SHORT_BINSTRING",
        "BINBYTES",
        "SHORT_BINBYTES",
        "BINBYTES8",
        "BYTEARRAY8",
        "UNICODE",
        "BINUNICODE",
        "SHORT_BINUNICODE",
        "BINUNICODE8",
    }
)
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": (), "MARK": _MARK}
_METHODS: dict[str, Callable[[Machine, Any], None]] = {
    "EMPTY_LIST": lambda machine, _: machine.push([]),
    "EMPTY_DICT": lambda machine, _: machine.push({}),
    "EMPTY_SET": lambda machine, _: machine.push(set()),
    "LIST": lambda machine, _: machine.push(machine.since_mark()),
    "TUPLE": lambda machine, _: machine.push(tuple(machine.since_mark())),
    "TUPLE1": lambda machine, _: machine.push(machine.last(1)),
    "TUPLE2": lambda machine, _: machine.push(machine.last(2)),
    "TUPLE3": lambda machine, _: machine.push(machine.last(3)),
    "FROZENSET": lambda machine, _: machine.frozen_set(),
    "DICT": lambda machine, _: machine.dictionary(machine.since_mark()),
    "APPEND": lambda machine, _: machine.extend([machine.pop()]),
    "APPENDS": lambda machine, _: machine.extend(machine.since_mark()),
    "SETITEM": lambda machine, _: machine.set_items(list(machine.last(2))),
    "SETITEMS": lambda machine, _: machine.set_items(machine.since_mark()),
    "ADDITEMS": lambda machine, _: machine.add(machine.since_mark()),
    "POP": lambda machine, _: machine.drop(),
    "POP_MARK": lambda machine, _: machine.drop_since_mark(),
    "DUP": lambda machine, _: machine.push(machine.top()),
    "MEMOIZE": lambda machine, _: machine.put(len(machine.memo)),
    "GLOBAL": lambda machine, both: machine.push(machine.named(*both.split(" ", 1))),
    "STACK_GLOBAL": lambda machine, _: machine.stack_global(),
    "REDUCE": lambda machine, _: machine.reduce(),
    "NEWOBJ": lambda machine, _: machine.reduce(),
    "NEWOBJ_EX": lambda machine, _: machine.reduce(with_keywords=True),
    "INST": Machine.instance,
    "OBJ": lambda machine, _: machine.object(),
    "BUILD": lambda machine, _: machine.build(),
    "PERSID": Machine.persistent_id,
    "BINPERSID": lambda machine, _: machine.persistent_id(machine.pop()),
    **dict.fromkeys(("PUT", "BINPUT", "LONG_BINPUT"), Machine.put),
    **dict.fromkeys(("GET", "BINGET", "LONG_BINGET"), Machine.get),
}
