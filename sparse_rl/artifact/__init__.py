"""Delivery: a compressed actor as a small file, C source, ONNX model or Python callable."""
