"""An actor as an ONNX model, and as a QONNX model for FPGAs; needs the extra ``onnx``."""
