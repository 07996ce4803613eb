"""A page in which delivered actors play: WebAssembly, the dynamics in plain script, one slider."""
