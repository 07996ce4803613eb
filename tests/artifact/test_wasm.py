"""What an actor's WebAssembly has in place of a C library; tests/play runs whole modules."""

import ctypes
from pathlib import Path

import numpy as np
import pytest

from sparse_rl.artifact import wasm
from sparse_rl.artifact.compiler import compile_c, find_compiler

FREESTANDING = Path(wasm.__file__).parent / "freestanding"


@pytest.mark.skipif(find_compiler() is None, reason="no C compiler found")
def test_tanh_is_rounded_as_the_double_one(tmp_path: Path) -> None:
    caller = tmp_path / "every.c"
    caller.write_text(
        "float tanhf(float x);\n"
        "void every(const float *x, float *y, int n) { for (int i = 0; i < n; i++) "
        "y[i] = tanhf(x[i]); }\n"
    )
    # Under another name, lest the C library's be taken for it.
    options = ("-shared", "-fPIC", "-Dtanhf=srl_tanhf", f"-I{FREESTANDING}")
    sources = [FREESTANDING / "tanhf.c", caller]
    library = ctypes.CDLL(str(compile_c(tmp_path / "tanh.so", sources, *options)))
    random = np.random.default_rng(0)
    spread = random.choice((-1, 1), 400_000) * 10 ** random.uniform(-12, 3, 400_000)
    edges = [0.0, -0.0, 1e-3, 1e-30, 1e-45, 19.9, 20.0, 3e38, np.inf, -np.inf, np.nan]
    x = np.concatenate([edges, spread, random.uniform(-6, 6, 400_000)]).astype(np.float32)
    found = np.empty_like(x)
    library.every(ctypes.c_void_p(x.ctypes.data), ctypes.c_void_p(found.ctypes.data), len(x))
    exact = np.tanh(x.astype(np.float64)).astype(np.float32)
    # Rounded once: only where the double lies within 1e-13 of a tie may the other neighbour come.
    differ = (found != exact) & ~np.isnan(exact)
    assert differ.mean() < 1e-5
    np.testing.assert_array_max_ulp(found[differ], exact[differ], maxulp=1)
    assert np.isnan(found[np.isnan(x)]).all()
