"""Loading: any accepted file becomes one onnx_ir model."""
