"""The made-up run directory."""

from tests.made_up_run import finished_run, make_run

__all__ = ["finished_run", "make_run"]
