"""Tensors of torch.save without PyTorch: views of their storages, never beyond them."""

import io
import pickle
import zipfile

import numpy as np
import pytest

from sparse_rl.importers.archive import Archive
from sparse_rl.importers.torch_tensors import load, tensors_of

ELEMENTS = np.arange(12)


class Named:
    """Pickled as the global of this name."""

    def __init__(self, module, name):
        self.module, self.name = module, name


class Called:
    """Pickled as a call of a global."""

    def __init__(self, function, *arguments):
        self.function, self.arguments = function, arguments


class Pickler(pickle._Pickler):
    """Writes names that no module has here."""

    def save(self, value, save_persistent_id=True):
        if isinstance(value, Named):
            self.write(f"c{value.module}\n{value.name}\n".encode())
        elif isinstance(value, Called):
            self.save(value.function)
            self.save(value.arguments)
            self.write(b"R")
        else:
            super().save(value, save_persistent_id)

    def persistent_id(self, value):
        return value[1:] if isinstance(value, tuple) and value[:1] == ("persistent",) else None


def tensor(sizes, strides, offset=0, kind="FloatStorage", key="0", count=12):
    storage = ("persistent", "storage", Named("torch", kind), key, "cpu", count)
    function = Named("torch._utils", "_rebuild_tensor_v2")
    return Called(function, storage, offset, sizes, strides, False, {})


def saved(value, elements=ELEMENTS, dtype="<f4", order=None):
    data, content = io.BytesIO(), io.BytesIO()
    Pickler(data, 2).dump(value)
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("archive/data.pkl", data.getvalue())
        archive.writestr("archive/data/0", elements.astype(dtype).tobytes())
        if order:
            archive.writestr("archive/byteorder", order)
    return tensors_of(load(Archive(content.getvalue())))


@pytest.mark.parametrize(
    ("sizes", "strides", "offset", "expected"),
    [
        ((3, 4), (4, 1), 0, ELEMENTS.reshape(3, 4)),
        ((4, 3), (1, 4), 0, ELEMENTS.reshape(3, 4).T),
        ((2, 2), (4, 2), 1, [[1, 3], [5, 7]]),
        ((), (), 11, 11),
        ((0, 5), (5, 1), 0, np.zeros((0, 5))),
        ((2, 2), (1, 1), 0, [[0, 1], [1, 2]]),
    ],
)
def test_views_of_a_storage(sizes, strides, offset, expected):
    found = saved({"x": tensor(sizes, strides, offset)})["x"]
    np.testing.assert_array_equal(found, expected)
    assert not found.size or not found.flags.writeable


@pytest.mark.parametrize(
    ("kind", "dtype"),
    [
        ("DoubleStorage", "<f8"),
        ("HalfStorage", "<f2"),
        ("LongStorage", "<i8"),
        ("IntStorage", "<i4"),
        ("ShortStorage", "<i2"),
        ("CharStorage", "<i1"),
        ("ByteStorage", "<u1"),
    ],
)
def test_elements_of_every_type(kind, dtype):
    found = saved({"x": tensor((12,), (1,), kind=kind)}, dtype=dtype)["x"]
    np.testing.assert_array_equal(found, ELEMENTS)
    assert found.dtype == np.dtype(dtype)


def test_bfloat16_is_the_upper_half_of_float32():
    values = np.array([1.0, -2.5, 3e38, 0.0], np.float32)
    halves = (values.view(np.uint32) >> 16).astype(np.uint16)
    found = saved({"x": tensor((4,), (1,), kind="BFloat16Storage", count=4)}, halves, "<u2")["x"]
    np.testing.assert_allclose(found, values, rtol=2**-7)
    assert found.dtype == np.float32


def test_the_order_of_bytes_is_the_files():
    found = saved({"x": tensor((12,), (1,))}, dtype=">f4", order="big")["x"]
    np.testing.assert_array_equal(found, ELEMENTS)
    with pytest.raises(ValueError, match="byteorder: found 'middle'; allowed: little, big"):
        saved({}, order="middle")


def test_nested_state_dicts_have_dotted_names():
    parameter = Called(Named("torch._utils", "_rebuild_parameter"), tensor((2,), (1,)), True, {})
    found = saved(({"a": {"b": parameter, "n": 3}}, {"c": tensor((1,), (1,))}))
    assert list(found) == ["1.c", "0.a.b"] or set(found) == {"0.a.b", "1.c"}


@pytest.mark.parametrize(
    "broken",
    [
        tensor((3, 4), (4, 1), 1),
        tensor((13,), (1,)),
        tensor((1 << 30, 1 << 30), (0, 0)),
        tensor((13,), (0,)),
        tensor((2,), (-1,)),
        tensor((-2,), (1,)),
        tensor((2,), (1, 1)),
        tensor((2.0,), (1,)),
        tensor([2], [1]),
        tensor((2,), (1,), -1),
        tensor((2,), (1,), 1 << 40),
        tensor((1,) * 9, (1,) * 9),
        tensor((2,), (1,), kind="ComplexFloatStorage"),
        tensor((2,), (1,), key="1"),
        tensor((2,), (1,), key="../data.pkl"),
        tensor((2,), (1,), key=0),
        tensor((2,), (1,), count=13),
        tensor((2,), (1,), count=-1),
        Called(Named("torch._utils", "_rebuild_tensor_v2"), 1, 0, (1,), (1,)),
        Called(Named("torch._utils", "_rebuild_tensor_v2")),
        Called(Named("torch._utils", "_rebuild_parameter"), 3),
        Called(Named("torch._utils", "_rebuild_parameter")),
        Named("torch._utils", "_rebuild_tensor_v2"),
        ("persistent", "module"),
    ],
)
def test_tensors_that_do_not_fit_are_one_line(broken):
    with pytest.raises(ValueError) as error:
        saved({"x": broken})
    assert "\n" not in str(error.value)


def test_many_tensors_of_one_storage_have_a_limit():
    elements = np.zeros(1 << 20)
    shared = {str(k): tensor((1 << 20,), (1,), count=1 << 20) for k in range(200)}
    with pytest.raises(ValueError, match="more than 134217728 elements"):
        saved(shared, elements)
