"""Policies in ONNX models; needs the extra ``onnx``."""
