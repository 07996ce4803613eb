"""C99 from a graph: one header, one source, no dependency but the C library."""

from sparse_rl.artifact.c_source.source import FLAGS, Source, generate
from sparse_rl.artifact.c_source.target import HOST, MICROCONTROLLER, WASM, Target

__all__ = ["FLAGS", "HOST", "MICROCONTROLLER", "WASM", "Source", "Target", "generate"]
