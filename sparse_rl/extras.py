"""Which extra installs a package that is missing: `pip install 'sparse_rl[train]'`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from sparse_rl import interrupted_imports

OF_MODULES = {
    "train": "jax jaxlib flax optax gymnax brax chex aqt mujoco jaxtyping scipy pandas matplotlib "
    "rich pydantic pydantic_core annotated_types yaml platformdirs filelock safetensors jinja2 "
    "tensorboardX PIL",
    "gymnasium": "gymnasium",
    "atari": "ale_py",
    "box2d": "Box2D",
    "onnx": "onnx onnxruntime",
    "wandb": "wandb",
}
"""Extra -> the modules that it brings."""


def missing(error: ModuleNotFoundError) -> str | None:
    """What is missing and how to install it, in one line; None where no extra has it."""
    module = (error.name or "").partition(".")[0]
    for extra, modules in OF_MODULES.items():
        if module in modules.split():
            return f"{module} is not installed; pip install 'sparse_rl[{extra}]'"
    return None


@contextmanager
def needed_by(command: str, module: str = "__main__") -> Iterator[None]:
    """A command's imports: where a package is missing, one line and exit status 2.

    Where `module`, the name under which the command's file runs, is not that of a program, it is
    imported by another, which gets the exception. Ctrl-C meanwhile ends the process.
    """
    try:
        with interrupted_imports.end_the_process():
            yield
    except ModuleNotFoundError as error:
        line = missing(error)
        if line is None or module != "__main__":
            raise
        print(f"error: {command}: {line}", file=sys.stderr)
        raise SystemExit(2) from None
