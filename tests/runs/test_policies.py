"""Policies files: what was written comes back, and nothing else passes for it."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from sparse_rl.runs.policies import read_policies, to_bytes
from sparse_rl.runs.run import Run

MakeRun = Callable[..., Path]


def test_what_was_written_comes_back_with_masks_applied(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    kernel = random.normal(size=(3, 4, 5)).astype(np.float32)
    bias = random.normal(size=(3, 5)).astype(np.float32)
    mask = random.random(kernel.shape) < 0.5
    file = tmp_path / "0.9.safetensors"
    file.write_bytes(to_bytes({"a/kernel": kernel, "a/bias": bias}, {"a/kernel": mask}))
    found = read_policies(file, 3).of_seed(1)
    np.testing.assert_array_equal(found["a/kernel"], kernel[1] * mask[1])
    np.testing.assert_array_equal(found["a/bias"], bias[1])


@pytest.mark.parametrize("place", [0.1, 0.5, 0.9999])
def test_a_flipped_bit_is_found_wherever_it_is(make_run: MakeRun, place: float) -> None:
    run = Run(make_run(seeds=2, levels=(0.0, 0.9)))
    file = run.path / "policies" / "0.9.safetensors"
    content = bytearray(file.read_bytes())
    content[int(place * len(content))] ^= 4
    file.write_bytes(content)
    with pytest.raises(ValueError, match=r"/0\.9\.safetensors: damaged: SHA-256 .* run\.json has"):
        run.policies("0.9")


def change(arrays: dict[str, np.ndarray], kind: str) -> None:
    kernel, mask = "params/hidden_0/kernel", "masks/hidden_0/kernel"
    if kind == "int32":
        arrays[kernel] = arrays[kernel].astype(np.int32)
    elif kind == "nan":
        arrays[kernel][1, 0, 0] = np.nan
        arrays[mask][1, 0, 0] = True
    elif kind == "mask":
        arrays[mask] = arrays[mask][:, 1:]
    elif kind == "seeds":
        for name in arrays:
            arrays[name] = arrays[name][:1]
    elif kind == "stray mask":
        del arrays[kernel]
    else:
        arrays.clear()
        arrays["weights"] = np.zeros(3, np.float32)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("int32", r"params/hidden_0/kernel: found int32; allowed: float32"),
        ("nan", r"hidden_0/kernel of the seed in place 1 has weights that are not finite"),
        ("mask", r"masks/hidden_0/kernel: found bool \(2, 10, 64\); allowed: bool \(2, 11, 64\)"),
        (
            "seeds",
            r"params/\w+/\w+: found shape \(1, .*\); allowed: 2 seeds first",
        ),
        ("stray mask", r"masks/hidden_0/kernel: masks an array that is not there"),
        ("foreign", r"no array's name begins with params/"),
    ],
)
def test_what_training_does_not_write_is_named(make_run: MakeRun, kind: str, message: str) -> None:
    # Format 1 has no digests, so that such files get as far as these checks.
    run = Run(make_run(seeds=2, levels=(0.0, 0.9), format=1))
    file = run.path / "policies" / "0.9.safetensors"
    arrays = load_file(file)
    change(arrays, kind)
    save_file(arrays, file)
    with pytest.raises(ValueError, match=f"^{file}: {message}"):
        run.trained("0.9", 1)


def test_a_file_that_cannot_be_read_is_not_called_missing(make_run: MakeRun) -> None:
    run = Run(make_run(seeds=2, levels=(0.0, 0.9)))
    file = run.path / "policies" / "0.9.safetensors"
    file.unlink()
    with pytest.raises(ValueError, match=r"0\.9\.safetensors: missing; there are 0, 0-int8, "):
        run.policies("0.9")
    file.mkdir()
    with pytest.raises(ValueError, match=r"0\.9\.safetensors: cannot be read: Is a directory"):
        run.policies("0.9")


def test_a_failed_seed_does_not_keep_the_others_from_being_read(make_run: MakeRun) -> None:
    run = Run(make_run(seeds=2, levels=(0.0, 0.9), format=1))
    file = run.path / "policies" / "0.9.safetensors"
    arrays = load_file(file)
    change(arrays, "nan")
    save_file(arrays, file)
    assert np.isfinite(run.trained("0.9", 0)["hidden_0/kernel"]).all()
