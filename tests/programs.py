"""What `python -m sparse_rl.<name>` calls, for tests that call it themselves."""

import runpy
from collections.abc import Callable
from typing import Any

from sparse_rl import evaluate, export
from sparse_rl.config.experiment import Config

# Not imported: the module would take the place of the function sparse_rl.train for all other tests.
train: Callable[[Config], None] = runpy.run_module("sparse_rl.train")["main"]

DELIVERY: dict[str, Callable[..., Any]] = {"export": export.main, "evaluate": evaluate.main}
"""What is done with a finished run, by the program's name."""
