"""The small random actors of every architecture that the tests of delivery have."""

from tests.artifact.conftest import architecture

__all__ = ["architecture"]
