"""The options of the sparsity methods that are built in. Knows no JAX: --help reads it."""

from sparse_rl.config.fields import section
from sparse_rl.config.interfaces import MethodOptions


@section
class GradualOptions(MethodOptions):
    """Gradual magnitude pruning (Zhu and Gupta 2017); all it needs stands in `sparsity`."""
