"""A pickle is read as data, and nothing that it names is run."""

import builtins
import collections
import os
import pickle
import pickletools
import struct
import subprocess

import cloudpickle
import numpy as np
import pytest

from sparse_rl.importers.inert_pickle import MOST_BYTES, Record, loads
from sparse_rl.importers.numpy_arrays import array_of, dtype_of

PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)
KINDS = ["b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8", ">f4", ">i8"]


class Reduced:
    """Pickled as a call."""

    def __init__(self, *reduced):
        self.reduced = reduced

    def __reduce__(self):
        return self.reduced


class Plain:
    """A class that no file may create."""

    created = 0

    def __new__(cls, *arguments):
        cls.created += 1
        return super().__new__(cls)

    def __setstate__(self, state):
        type(self).created += 1


DATA = [
    None,
    True,
    -(2**100),
    1.5,
    "text\n\x80\u1234",
    b"bytes\x00",
    bytearray(b"more"),
    [1, [2, (3, 4, 5, 6), ()]],
    {"a": {1: {2.5: [None]}}, ("b", 2): False},
    {1, "two"},
    frozenset({3}),
    ["x" * 300, ["x"] * 2000],
]


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_plain_data_is_what_pickle_reads(protocol):
    data = [value for value in DATA if protocol > 3 or not isinstance(value, set | frozenset)]
    if protocol < 3:
        data = [value for value in data if not isinstance(value, bytes | bytearray)]
    if protocol in (3, 4):
        data = [value for value in data if not isinstance(value, bytearray)]
    assert loads(pickle.dumps(data, protocol)) == data
    assert loads(pickletools.optimize(pickle.dumps(data, protocol))) == data


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    "kind", ["b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8", ">f4", ">i8"]
)
def test_arrays_are_those_of_numpy(protocol, kind):
    values = np.random.default_rng(0).integers(0, 100, (2, 3, 4)).astype(kind)
    for array in (values, np.asfortranarray(values), values[:, :, 0], values[:0], values[0, 0, 0]):
        found = array_of(loads(pickle.dumps(array, protocol)), "array")
        np.testing.assert_array_equal(found, array)
        assert found.shape == array.shape and found.dtype == array.dtype


@pytest.mark.parametrize("array", [np.array([{}]), np.array(["a"]), np.array([1j]), [1], "a", None])
def test_other_arrays_are_refused(array):
    with pytest.raises(ValueError, match=r"^here: "):
        array_of(loads(pickle.dumps(array)), "here")


def test_a_state_of_another_size_is_refused():
    array = loads(pickle.dumps(np.zeros(3), 2))
    version, _, dtype, order, content = array.state
    for shape in ((4,), (2,), (-3,), (3.0,), (1 << 40, 1 << 40), [3], (3, 0), (1,) * 40):
        array.state = (version, shape, dtype, order, content)
        with pytest.raises(ValueError, match=r"^here: "):
            array_of(array, "here")
    assert dtype_of(loads(pickle.dumps(np.float32))) == np.float32


def test_objects_are_records_and_no_class_is_looked_up():
    class_name = f"{Plain.__module__}.{Plain.__qualname__}"
    thing = Plain()
    thing.a = [1]
    before = Plain.created
    record = loads(pickle.dumps(thing))
    assert repr(record) == f"<{class_name}>" and record.called
    assert record.state == {"a": [1]} and Plain.created == before
    deque = loads(pickle.dumps(collections.deque([1, 2])))
    assert (deque.name, deque.entries) == ("deque", [1, 2])
    assert loads(pickle.dumps(collections.OrderedDict(a=1))) == {"a": 1}
    counter = loads(pickle.dumps(collections.defaultdict(int, a=1)))
    assert (counter.name, counter.entries) == ("defaultdict", [("a", 1)])


def test_functions_and_classes_that_cloudpickle_writes_are_records():
    class Local:
        field = 3

        def method(self):
            return self.field

    found = loads(cloudpickle.dumps({"f": lambda x: x + 1, "c": Local, "o": Local(), "n": 1}))
    assert found["n"] == 1
    assert all(isinstance(found[key], Record) for key in "fco")


CALLS = [
    (os.system, ("touch {}",)),
    (builtins.eval, ("open('{}', 'w')",)),
    (builtins.exec, ("open('{}', 'w')",)),
    (builtins.open, ("{}", "w")),
    (subprocess.check_output, (["touch", "{}"],)),
    (os.mkdir, ("{}",)),
]


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(("function", "arguments"), CALLS)
def test_calls_leave_no_trace(tmp_path, protocol, function, arguments):
    trace = tmp_path / "trace"
    arguments = tuple(
        [str(trace) if part == "{}" else part for part in argument]
        if isinstance(argument, list)
        else argument.format(trace)
        for argument in arguments
    )
    for evil in (
        Reduced(function, arguments),
        {"a": [Reduced(function, arguments)]},
        Reduced(builtins.map, (function, [arguments[0]])),
        Reduced(builtins.list, (Reduced(builtins.map, (function, [arguments[0]])),)),
        Reduced(Plain, (), Reduced(function, arguments)),
        Reduced(
            collections.OrderedDict, (), None, None, iter([("k", Reduced(function, arguments))])
        ),
        Reduced(collections.OrderedDict, (), {"__class__": Reduced(function, arguments)}),
    ):
        found = loads(pickle.dumps(evil, protocol))
        assert isinstance(found, Record | dict)
    assert list(tmp_path.iterdir()) == []


STACK = b"\x8c\x02os\x8c\x06system\x93"
ASSEMBLED = {
    "a global's result called": b"(S'system'\nicos\ngetattr\n(S'id'\ntR.",
    "getattr chain": b"cbuiltins\ngetattr\n(cos\nX\nS'system'\ntR(S'id'\ntR.",
    "inst": b"(S'id'\nios\nsystem\n.",
    "obj": b"(cos\nsystem\nS'id'\no.",
    "newobj": STACK + b"\x8c\x02id\x85\x81.",
    "newobj_ex": STACK + b"\x8c\x02id\x85}\x92.",
    "build with slots": b"cx\nY\n)RN}S'a'\nI1\ns" + b"\x86b.",
    "build of a global": b"cos\nsystem\n}S'__class__'\nI1\nsb.",
    "build of a dictionary": b"ccollections\nOrderedDict\n)R}S'__setstate__'\nI1\nsb.",
    "persistent": b"Pname\n.",
    "binary persistent": b"Nq\x00Q.",
    "extension": b"\x82\x01.",
    "long extension": b"\x84\xff\xff\xff\x7f.",
    "out of band": b"\x97.",
    "dotted": b"\x8c\x02os\x8c\x0bpath.exists\x93\x8c\x01.\x85R.",
    "not a name": b"NN\x93.",
    "record as key": b"}cos\nsystem\nI1\ns.",
    "list as key": b"}]I1\ns.",
    "append to a record": b"cos\nsystem\n)RI1\na.",
    "append to a tuple": b")I1\na.",
    "items of a list": b"](I1\nI2\nu.",
    "odd items": b"}(I1\nu.",
    "no stack": b"a.",
    "nothing": b".",
    "a mark": b"(.",
    "mark as item": b"](a.",
    "missing memo": b"h\x07.",
    "a far memo": b"Nr\xff\xff\xff\x7f.",
    "negative memo": b"Np-1\n.",
    "ends early": b"N",
    "empty": b"",
    "no opcode": b"\xff.",
    "claims bytes": b"\x8e" + struct.pack("<Q", 1 << 60) + b"abc.",
    "claims a bytearray": b"\x96" + struct.pack("<Q", 1 << 40) + b"abc.",
    "claims a string": b"\x8d" + struct.pack("<Q", 1 << 62) + b"abc.",
    "claims an integer": b"\x8b\xff\xff\xff\x7fabc.",
    "a negative length": b"\x8b\xff\xff\xff\xffabc.",
    "no integer": b"Iabc\n.",
    "a long integer": b"I" + b"9" * 5000 + b"\n.",
    "a longer integer": b"\x8b" + struct.pack("<i", 100_000) + b"\x01" * 100_000 + b".",
    "no utf-8": b"\x8c\x02\xff\xff.",
}


READ = {
    "a global's result called",
    "getattr chain",
    "inst",
    "obj",
    "newobj",
    "newobj_ex",
    "build with slots",
    "build of a global",
    "build of a dictionary",
    "dotted",
    "record as key",
    "list as key",
    "append to a record",
}
REFUSED = [what for what in ASSEMBLED if what not in READ]


@pytest.mark.parametrize("what", sorted(READ))
def test_assembled_calls_are_data(what):
    assert isinstance(loads(ASSEMBLED[what]), Record | dict)


@pytest.mark.parametrize("what", REFUSED)
def test_damage_is_refused(what):
    with pytest.raises(ValueError, match=r"^a damaged pickle: [^\n]*$"):
        loads(ASSEMBLED[what])


def test_deep_and_shared_structures_are_read_in_their_own_time():
    deep = b"]" * 40_000 + b"a" * 39_999 + b"."
    assert isinstance(loads(deep), list)
    records = b"cx\nY\n" * 20_000 + b"N" + b"b" * 20_000 + b"."
    assert repr(loads(records)) == "<x.Y>"
    doubled = b")" + b"q\x00h\x00\x86" * 20_000 + b"."  # 2^20,000 elements, if followed
    assert isinstance(loads(doubled), tuple)
    as_keys = b"})" + b"q\x00h\x00\x86" * 1000 + b"Ns."
    (key,) = loads(as_keys)
    assert isinstance(key, Record)
    copied = (
        b"(" + b"I1\n" * 1000 + b"lq\x00" + b"0ccollections\nOrderedDict\nh\x00\x85R" * 9 + b"."
    )
    assert isinstance(loads(copied), Record)


def test_keys_whose_hashes_collide_are_refused():
    numbers = b"".join(b"\x8a\x0a" + (k * (2**61 - 1)).to_bytes(10, "little") for k in range(4000))
    with pytest.raises(ValueError, match="more than 1024 keys that are no strings"):
        loads(b"}(" + numbers + b"u.")


def test_too_many_bytes_or_opcodes_are_refused():
    with pytest.raises(ValueError, match=f"allowed: {MOST_BYTES}"):
        loads(b"N" * (MOST_BYTES + 1))
    with pytest.raises(ValueError, match="more than 1048576 opcodes"):
        loads(b"N0" * (1 << 20) + b"N.")


def test_the_numbers_of_a_random_generator_are_data():
    assert isinstance(loads(pickle.dumps(np.random.default_rng(0))), Record)
