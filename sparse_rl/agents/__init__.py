"""Agents as pure functions: they know no environment, no population and no quantization."""
