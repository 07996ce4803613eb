"""Files of every kind, whole and damaged: a policy, or one line."""

import base64
import io
import json
import os
import pickle
import subprocess
import sys
import tracemalloc
import zipfile

import numpy as np
import pytest

from benchmarks import synthetic
from sparse_rl.architecture.operations import ArgMax, Clip
from sparse_rl.artifact import packed
from sparse_rl.artifact.packed import PackedActor, Provenance
from sparse_rl.importers import policy, read_policy
from tests.importers.stored import DATA

PAIR = Clip((-1.0,) * 2, (1.0,) * 2)
KINDS = {
    "sac_gsde.zip": None,
    "ppo_normalized.zip": None,
    "cleanrl_ppo.pth": PAIR,
    "cleanrl_td3.pth": None,
    "onnx_normalized.onnx": None,
    "onnx_images_last.onnx": ArgMax(),
    "actor.srl": None,
    "params": None,
}


class RunningStatisticsState:
    """Pickled as brax's statistics are: an object with its attributes."""

    def __init__(self, size):
        self.mean, self.std = np.ones(size, np.float32), np.full(size, 2.0, np.float32)


def layer(inputs, outputs):
    random = np.random.default_rng(0)
    return {
        "kernel": random.normal(size=(inputs, outputs)).astype(np.float32),
        "bias": np.zeros(outputs, np.float32),
    }


def whole(name):
    """The bytes of a file of this kind."""
    if name == "actor.srl":
        actor = PackedActor(synthetic.mlp_actor((3, 8, 2)), Provenance("probe/x"))
        return packed.to_bytes(actor)
    if name == "params":
        layers = {"hidden_0": layer(3, 8), "hidden_1": layer(8, 4)}
        return pickle.dumps((RunningStatisticsState(3), {"params": layers}))
    return (DATA / name).read_bytes()


def damaged(data, random):
    """The bytes with one change: a few others, some gone, some more, some twice, or cut off."""
    found = bytearray(data)
    where = int(random.integers(len(found)))
    match random.integers(6):
        case 0:
            found[where] ^= int(random.integers(1, 256))
        case 1:
            for _ in range(4):
                found[int(random.integers(len(found)))] = int(random.integers(256))
        case 2:
            del found[where : where + int(random.integers(1, 20))]
        case 3:
            found[where:where] = random.bytes(int(random.integers(1, 20)))
        case 4:
            found[where:where] = found[where // 2 : where // 2 + int(random.integers(1, 200))]
        case 5:
            del found[where:]
    return bytes(found)


def damaged_within(data, random):
    """One change in a member of a zip file, or in a pickle in its JSON, behind right checksums."""
    if data[:2] == b"{\n" and b":serialized:" in data:
        fields = json.loads(data)
        field = fields[["policy_class", "observation_space", "action_space"][random.integers(3)]]
        content = base64.b64decode(field[":serialized:"])
        field[":serialized:"] = base64.b64encode(damaged(content, random)).decode()
        return json.dumps(fields).encode()
    if data[:2] != b"PK":
        return damaged(data, random)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    large = [name for name in members if name in ("data", "policy.pth") or "data" in name]
    name = large[random.integers(len(large))]
    members[name] = damaged_within(members[name], random)
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, value in members.items():
            archive.writestr(name, value)
    return content.getvalue()


@pytest.mark.parametrize("damage", [damaged, damaged_within])
@pytest.mark.parametrize("name", KINDS)
def test_damaged_files_are_one_line_or_a_policy(tmp_path, name, damage):
    random, data, file = np.random.default_rng(0), whole(name), tmp_path / "policy"
    file.write_bytes(data)
    assert read_policy(file, output=KINDS[name]).graph.operations
    refused = 0
    for _ in range(70):
        file.write_bytes(damage(data, random))
        try:
            read_policy(file, output=KINDS[name])
        except ValueError as error:
            assert "\n" not in str(error) and str(error).startswith(str(file))
            refused += 1
    assert refused > 20


def test_damaged_statistics_are_one_line(tmp_path):
    random, data = np.random.default_rng(1), (DATA / "ppo_normalized.pkl").read_bytes()
    file, refused, actor = tmp_path / "statistics", 0, tmp_path / "actor.srl"
    packed.save(actor, PackedActor(synthetic.mlp_actor((4, 8, 2))))
    file.write_bytes(data)
    read_policy(actor, file)
    for _ in range(70):
        file.write_bytes(damaged(data, random))
        try:
            read_policy(actor, file)
        except ValueError as error:
            assert "\n" not in str(error) and str(error).startswith(str(file))
            refused += 1
    assert refused > 30


@pytest.mark.parametrize("length", [0, 1, 3, 8, 100, 5000])
@pytest.mark.parametrize("start", [b"", b"PK\x03\x04", b"\x80\x04", b"SRL", b"\x08\x08"])
def test_random_bytes_are_one_line(tmp_path, start, length):
    random, file = np.random.default_rng(length), tmp_path / "policy"
    for _ in range(20):
        file.write_bytes(start + random.bytes(length))
        with pytest.raises(ValueError) as error:
            read_policy(file)
        assert "\n" not in str(error.value) and str(error.value).startswith(str(file))


def test_names_with_line_breaks_do_not_break_the_line(tmp_path):
    file = tmp_path / "policy"
    file.write_bytes(b"\x80\x04\x8c\x04a\n\x1bb\x8c\x01c\x93.")
    with pytest.raises(ValueError, match=r"policy: a pickle of <a\?\?b\.c>; readable: "):
        read_policy(file)


def test_our_own_file_is_read_with_its_environment(tmp_path):
    file = tmp_path / "actor"
    file.write_bytes(whole("actor.srl"))
    found = read_policy(file)
    assert (found.origin, found.environment) == ("sparse_rl", "probe/x")
    with pytest.raises(ValueError, match=r"ppo_normalized\.pkl: statistics of the shape"):
        read_policy(file, DATA / "ppo_normalized.pkl")


def test_what_is_no_file_is_said(tmp_path, monkeypatch):
    with pytest.raises(ValueError, match=r"nowhere: no file$"):
        read_policy(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="not a file"):
        read_policy(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ValueError, match="not a file"):
        read_policy(tmp_path / "pipe")
    monkeypatch.setattr(policy, "MOST_BYTES", 10)
    with pytest.raises(ValueError, match=r"sac\.zip: \d+ bytes; allowed: 10"):
        read_policy(DATA / "sac.zip")
    (tmp_path / "text").write_text("weights")
    with pytest.raises(ValueError, match="no file of a policy; readable: a packed actor"):
        read_policy(tmp_path / "text")


def test_memory_stays_in_proportion_to_opcodes(tmp_path):
    """Opcodes of few bytes that make objects, of which a file may have 2^20."""
    file, count = tmp_path / "policy", 1 << 14
    tracemalloc.start()
    try:
        for hostile in (
            b"\x80\x04" + b"}" * count + b".",
            b"\x80\x04" + b"cx\ny\n" * count + b".",
            b"\x80\x04" + b"cx\ny\n" * (count // 2) + b"(" + b"N" * (count // 2) + b"t.",
            b"\x80\x04N" + b"\x94" * count + b".",
            b"\x80\x04\x96" + (1 << 45).to_bytes(8, "little") + b".",
        ):
            file.write_bytes(hostile)
            tracemalloc.reset_peak()
            with pytest.raises(ValueError):
                read_policy(file)
            assert tracemalloc.get_traced_memory()[1] < 400 * count
    finally:
        tracemalloc.stop()


def test_reading_imports_none_of_the_libraries_that_trained():
    """In a new Python: a policy of Stable-Baselines3 is read with NumPy and Zstandard alone."""
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys\nfrom sparse_rl.importers import read_policy\n"
            f"read_policy({str(DATA / 'sac.zip')!r})\n"
            "libraries = 'torch stable_baselines3 gymnasium cloudpickle jax brax onnx'\n"
            "print(set(libraries.split()) & set(sys.modules))",
        ],
        capture_output=True,
        text=True,
        cwd=DATA.parents[2],
    )
    assert (done.stdout, done.returncode) == ("set()\n", 0), done.stderr
