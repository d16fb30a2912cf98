"""Olive's surgery on one file, in Olive's own environment: ``olive_surgery.py SOURCE TARGET``."""

from __future__ import annotations

import sys

from olive.model import ONNXModelHandler
from olive.passes.olive_pass import create_pass_from_dict
from olive.passes.onnx.graph_surgeries import GraphSurgeries

# the surgery looks shapes up in value_info
SURGERIES = ["InferShapes", "MatMulToTransposeConvTranspose"]


def main() -> None:
    """Run the surgeries and let Olive write the file."""
    source, target = sys.argv[1:]
    config = {"surgeries": [{"surgeon": name} for name in SURGERIES]}
    surgery = create_pass_from_dict(GraphSurgeries, config, disable_search=True)
    print(surgery.run(ONNXModelHandler(model_path=source), target).model_path)


if __name__ == "__main__":
    main()
