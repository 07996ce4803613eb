"""Lets old code call `jax.numpy.clip` with the keywords that it once had.

jax renamed ``clip(a_min=, a_max=)`` to ``clip(min=, max=)``. Two modules that compute forces in a
fluid were not changed, so that every task in a fluid (the swimmers) fails: `brax.fluid`, and
`passive` in mujoco-mjx 3.3.7. `serve` gives such a module its own view of jax.numpy in which the
old keywords work. Nothing else sees it, and no file of the packages is touched.
"""

from types import ModuleType
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array


class _NumpyWithOldClip:
    def __getattr__(self, name: str) -> Any:
        return getattr(jnp, name)

    @staticmethod
    def clip(
        array: Array,
        min: Any = None,
        max: Any = None,
        *,
        a_min: Any = None,
        a_max: Any = None,
    ) -> Array:
        return jnp.clip(array, a_min if min is None else min, a_max if max is None else max)


def serve(module: ModuleType) -> None:
    """Gives the module, which must call jax.numpy `jp`, the old keywords."""
    if module.jp is not jnp and not isinstance(module.jp, _NumpyWithOldClip):
        raise RuntimeError(f"{module.__name__}.jp is not jax.numpy; has the package changed?")
    module.jp = _NumpyWithOldClip()  # type: ignore[attr-defined]
