"""A Rust crate from a graph of dense layers: no_std, no unsafe code, no dependency."""

from sparse_rl.artifact.rust_source.crate import RUST_VERSION, crate
from sparse_rl.artifact.rust_source.network import refusal

__all__ = ["RUST_VERSION", "crate", "refusal"]
