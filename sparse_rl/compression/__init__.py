"""Passes over policies that have been trained: pruning, units, low rank, quantization. NumPy."""
