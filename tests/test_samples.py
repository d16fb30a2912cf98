"""The sample models, their scripts, and what the documentation says of them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from helpers import SAMPLES, ops, run

from fc2conv_cli import convert
from fc2conv_cli.frontends.loading import Loading

# Whoever follows the README has a converted model there too.
MODELS = [p for p in SAMPLES.glob("*.onnx") if not p.stem.endswith(".conv")]
NAMES = sorted(p.stem for p in MODELS)
PYTORCH_FILES = {
    "digits_cnn.pt2": Loading(),
    "digits_cnn.ts": Loading(inputs=("x:Nx1x8x8",)),
    "digits_cnn.pt": Loading(inputs=("x:Nx1x8x8",)),
    "digits_cnn.pth": Loading(inputs=("x:Nx1x8x8",), model="digits_cnn:network", import_paths=(SAMPLES,)),
}


@pytest.mark.parametrize("name", NAMES)
def test_every_sample_loses_its_layers(name: str, tmp_path: Path) -> None:
    report = convert(SAMPLES / f"{name}.onnx", tmp_path / "out.onnx")
    assert report.status == "written"
    assert not report.plan.left
    assert ops(tmp_path / "out.onnx").count("Gemm") == 0
    assert report.verification is not None
    for output in report.verification.outputs:  # docs/equivalence.md says so
        assert output.worst is not None
        assert output.worst.max_relative < 1e-5


@pytest.mark.parametrize(("name", "kernel"), [("textbook_image", [2, 2]), ("textbook_features", [1, 1])])
def test_both_textbook_forms_give_the_textbook_numbers(name: str, kernel: list[int], tmp_path: Path) -> None:
    convert(SAMPLES / f"{name}.onnx", tmp_path / "out.onnx")
    shape = (1, 1, 2, 2) if name == "textbook_image" else (1, 4)
    (y,) = run(tmp_path / "out.onnx", {"x": np.array([[1, 2], [3, 4]], np.float32).reshape(shape)})
    np.testing.assert_allclose(y, [[14.9, 19.0]], rtol=1e-6)
    conv = next(n for n in onnx.load(tmp_path / "out.onnx").graph.node if n.op_type == "Conv")
    assert next(list(a.ints) for a in conv.attribute if a.name == "kernel_shape") == kernel


def test_the_accuracy_of_the_digits_network_is_the_same_number(tmp_path: Path) -> None:
    datasets = pytest.importorskip("sklearn.datasets")
    selection = pytest.importorskip("sklearn.model_selection")
    digits = datasets.load_digits()
    pixels = (digits.images / 16.0).astype(np.float32)[:, None]
    _, x, _, labels = selection.train_test_split(pixels, digits.target, test_size=0.25, random_state=0)
    convert(SAMPLES / "digits_cnn.onnx", tmp_path / "out.onnx")
    right = [
        int((run(path, {"x": x})[0].argmax(1) == labels).sum())
        for path in (SAMPLES / "digits_cnn.onnx", tmp_path / "out.onnx")
    ]
    assert right == [442, 442]


@pytest.mark.parametrize("name", PYTORCH_FILES)
def test_the_digits_network_from_pytorch_is_the_same_one(name: str, tmp_path: Path) -> None:
    report = convert(SAMPLES / name, tmp_path / "out.onnx", loading=PYTORCH_FILES[name])
    assert report.verified, report
    assert [layer.form.kernel_shape for layer in report.plan.layers] == [(4, 4), (1, 1)]
    x = np.random.default_rng(0).standard_normal((3, 1, 8, 8)).astype(np.float32)
    own = onnx.load(tmp_path / "out.onnx").graph.input[0].name
    (ours,), (theirs,) = run(tmp_path / "out.onnx", {own: x}), run(SAMPLES / "digits_cnn.onnx", {"x": x})
    np.testing.assert_allclose(ours, theirs, atol=1e-4)


def test_the_samples_are_small() -> None:
    files = [*MODELS, *(SAMPLES / name for name in PYTORCH_FILES)]
    assert sum(p.stat().st_size for p in files) < 5_000_000


def test_the_scripts_make_the_same_bytes_again(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    for script in SAMPLES.glob("*.py"):
        (tmp_path / script.name).write_bytes(script.read_bytes())
    subprocess.run([sys.executable, "make_all.py"], cwd=tmp_path, check=True, capture_output=True)
    assert sorted(p.stem for p in tmp_path.glob("*.onnx")) == NAMES
    for name in [*(f"{name}.onnx" for name in NAMES), *PYTORCH_FILES]:
        assert (tmp_path / name).read_bytes() == (SAMPLES / name).read_bytes(), name
