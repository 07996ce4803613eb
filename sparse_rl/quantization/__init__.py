"""Quantization-aware training: int8 dot products to build networks from."""

from sparse_rl.quantization.aqt import dot_products, quantize_weights

__all__ = ["dot_products", "quantize_weights"]
