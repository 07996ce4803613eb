"""What is installed from a wheel, away from the checkout: it trains, exports and plays.

The packages that it depends on are borrowed from this environment, so that nothing is downloaded.
"""

import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
HERE = Path(sysconfig.get_path("purelib"))
SOURCES = ("sparse_rl", "configs", "pyproject.toml", "setup.py", "README.md", "LICENSE")
SHORT = {
    "seeds": "1",
    "network.hidden": "8",
    "replay.capacity": "64",
    "replay.batch_size": "8",
    "training.steps": "80",
    "training.learning_starts": "16",
    "sparsity.levels": "0,0.5",
    "sparsity.interval": "8",
    "quantization.modes": "",
    "evaluation.every": "80",
    "evaluation.episodes": "1",
    "evaluation.final_episodes": "1",
    "devices": "1",
    "out": "run",
}


def python(folder: Path, *words: str | Path) -> str:
    """What a program prints, with nothing of this checkout in its way."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from the source distribution, as an installer would."""
    folder = tmp_path_factory.mktemp("sources")
    for name in SOURCES:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, folder)
    build = "from setuptools import build_meta; build_meta.build_{}('dist')"
    python(folder, sys.executable, "-c", build.format("sdist"))
    (packed,) = (folder / "dist").iterdir()
    with tarfile.open(packed) as archive:
        archive.extractall(folder / "unpacked", filter="data")
    (unpacked,) = (folder / "unpacked").iterdir()
    python(unpacked, sys.executable, "-c", build.format("wheel"))
    (made,) = (unpacked / "dist").glob("*.whl")
    return made


def installed(wheel: Path, folder: Path, borrowed: Path) -> Path:
    """The programs of a new environment with the wheel, and what lies in `borrowed`."""
    venv.create(folder, with_pip=False)
    programs = folder / "bin"
    words = ("--python", programs / "python", "install", "--quiet", "--no-deps", "--no-index")
    python(folder, sys.executable, "-m", "pip", *words, wheel)
    (packages,) = (folder / "lib").glob("*/site-packages")
    (packages / "borrowed.pth").write_text(f"{borrowed}\n")
    return programs


@pytest.mark.slow
def test_a_wheel_trains_and_its_actor_plays_without_jax(wheel: Path, tmp_path: Path) -> None:
    away = tmp_path / "away"
    away.mkdir()
    full = installed(wheel, tmp_path / "full", HERE)
    where = python(away, full / "python", "-c", "import sparse_rl; print(sparse_rl.__file__)")
    assert where.startswith(str(tmp_path))
    named = python(away, full / "sparse-rl", "train", "--help")
    assert all(path.stem in named for path in (ROOT / "configs").glob("*.yaml"))
    python(
        away,
        full / "sparse-rl",
        "train",
        "sac_pendulum",
        *(f"--{key}={value}" for key, value in SHORT.items()),
    )
    assert (away / "run" / "report" / "index.html").is_file()
    words = ("--arm=0.5", "--format=packed", "--episodes=1", "--out=actor")
    python(away, full / "sparse-rl", "export", "run", *words)

    base = tmp_path / "packages"
    base.mkdir()
    for name in ("numpy", "numpy.libs", "zstandard"):
        if (HERE / name).exists():
            (base / name).symlink_to(HERE / name)
    runtime = installed(wheel, tmp_path / "runtime", base)
    play = (
        "import sys; from sparse_rl import load_actor\n"
        "action = load_actor('actor/actor.srl', 'numpy')([1.0, 0.0, 0.0])\n"
        "assert action.shape == (1,) and -2 <= action[0] <= 2, action\n"
        "assert 'jax' not in sys.modules and 'pydantic' not in sys.modules\n"
    )
    python(away, runtime / "python", "-c", play)


def test_a_checker_sees_its_types(wheel: Path) -> None:
    """PEP 561: without this file everything of the package is Any."""
    assert "sparse_rl/py.typed" in zipfile.ZipFile(wheel).namelist()


def test_the_parts_of_the_live_page_are_in_it(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    for folder, pattern in (("play", "script/*.js"), ("play", "play.*"), ("artifact/wasm", "*/*")):
        parts = [path.relative_to(ROOT) for path in (ROOT / "sparse_rl" / folder).glob(pattern)]
        assert parts
        assert {str(path) for path in parts if path.suffix != ".pyc"} <= set(names)
