"""An actor as a WebAssembly module: its C, compiled by clang, with nothing around it."""

from sparse_rl.artifact.wasm.module import PLACES, check_tools, compiled

__all__ = ["PLACES", "check_tools", "compiled"]
