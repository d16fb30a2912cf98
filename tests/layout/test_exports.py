"""Layout nodes of exported networks, Transposes and Reshape-like ones, before and after conversion."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from helpers import assert_close, converted, random, run

from fc2conv_cli.layout.solve import Wishes

pytest.importorskip("torch")
import architectures as nets
from torch import nn

IMAGE = (3, 8, 8)
Make = Callable[[], nn.Module]

DECOMPOSED, BATCH = Wishes(decompose_layernorm=True), Wishes(tokens="batch")

# By name: the module, and the shape of one sample.
NO_MORE: dict[str, tuple[Make, tuple[int, ...]]] = {
    "AlexNet": (nets.alexnet, IMAGE),
    "VGG": (nets.vgg, (3, 16, 16)),
    "ResNet": (nets.resnet, IMAGE),
    "MobileNet": (nets.mobilenet, IMAGE),
    "EfficientNet": (nets.efficientnet, IMAGE),
    "DenseNet": (nets.densenet, IMAGE),
    "ConvNeXt": (nets.convnext, (8, 5, 6)),
}
TOKENS: dict[str, tuple[Make, tuple[int, ...]]] = {
    "ViT": (lambda: nets.ViT(2), IMAGE),
    "BERT": (lambda: nets.bert(2), (5, 16)),
    "Swin": (lambda: nn.Sequential(nets.SwinBlock(16), nets.SwinBlock(16)), (4, 4, 16)),
}
MIXERS: dict[str, tuple[Make, tuple[int, ...]]] = {
    "MLP-Mixer": (lambda: nn.Sequential(nets.MixerBlock(6, 8), nets.MixerBlock(6, 8)), (6, 8)),
    "ResMLP": (lambda: nn.Sequential(nets.ResMLPBlock(6, 8), nets.ResMLPBlock(6, 8)), (6, 8)),
}


def transposes_and_reshapes(
    make: Make, shape: tuple[int, ...], folder: Path, *, dynamo: bool, wishes: Wishes | None = None
) -> tuple[tuple[int, int], tuple[int, int]]:
    """Before and after; the result is compared with the original, and the choice must be the best."""
    proto = nets.export(make(), shape, dynamo=dynamo)
    path, report = converted(proto, folder, wishes=wishes)
    assert report.verified
    assert not report.plan.left
    assert report.plan.gap == 0
    for size in (1, 3):
        x = {"x": random((size, *shape))}
        assert_close(run(path, x), run(proto, x))
    before, after = report.layout_before, report.layout_after
    return (before.transposes, before.reshapes), (after.transposes, after.reshapes)


@pytest.mark.parametrize("dynamo", [False, True])
@pytest.mark.parametrize("name", NO_MORE)
def test_no_more_than_before(tmp_path: Path, name: str, dynamo: bool) -> None:
    before, after = transposes_and_reshapes(*NO_MORE[name], tmp_path, dynamo=dynamo)
    assert after[0] <= before[0]
    assert after[1] <= before[1]


@pytest.mark.parametrize("dynamo", [False, True])
def test_an_mlp(tmp_path: Path, dynamo: bool) -> None:
    assert transposes_and_reshapes(nets.mlp, (16,), tmp_path, dynamo=dynamo)[1] == (0, 2)


@pytest.mark.parametrize("dynamo", [False, True])
def test_linear_between_convolutions(tmp_path: Path, dynamo: bool) -> None:
    before, after = transposes_and_reshapes(nets.ChannelsLast, IMAGE, tmp_path, dynamo=dynamo)
    assert before[0] == 2
    assert after == (0, 0)


@pytest.mark.parametrize("dynamo", [False, True])
def test_convnext_with_its_normalisation_decomposed(tmp_path: Path, dynamo: bool) -> None:
    _, after = transposes_and_reshapes(*NO_MORE["ConvNeXt"], tmp_path, dynamo=dynamo, wishes=DECOMPOSED)
    assert after[0] <= 2


@pytest.mark.parametrize("dynamo", [False, True])
@pytest.mark.parametrize(
    ("wishes", "more"), [(Wishes(), 4), (BATCH, 0), (DECOMPOSED, 0)], ids=["width", "batch", "decomposed"]
)
@pytest.mark.parametrize("name", TOKENS)
def test_transformers(tmp_path: Path, name: str, wishes: Wishes, more: int, dynamo: bool) -> None:
    before, after = transposes_and_reshapes(*TOKENS[name], tmp_path, dynamo=dynamo, wishes=wishes)
    assert after[0] <= before[0] + more * 2


@pytest.mark.parametrize("dynamo", [False, True])
@pytest.mark.parametrize("name", MIXERS)
@pytest.mark.parametrize("wishes", [Wishes(), BATCH, DECOMPOSED], ids=["width", "batch", "decomposed"])
def test_mixers(tmp_path: Path, name: str, wishes: Wishes, dynamo: bool) -> None:
    before, after = transposes_and_reshapes(*MIXERS[name], tmp_path, dynamo=dynamo, wishes=wishes)
    assert after[0] <= before[0]
    assert after[1] <= before[1] + 4 * 2


@pytest.mark.parametrize("dynamo", [False, True])
@pytest.mark.parametrize(
    ("wishes", "transposes"), [(Wishes(), 8), (BATCH, 4), (DECOMPOSED, 6)], ids=["width", "batch", "decomposed"]
)
def test_gated_blocks(tmp_path: Path, wishes: Wishes, transposes: int, dynamo: bool) -> None:
    """A gMLP block needs its gate by channels and by tokens: with tokens on the width, two Transposes more."""
    make = lambda: nn.Sequential(nets.GatedBlock(6, 8), nets.GatedBlock(6, 8))  # noqa: E731
    before, after = transposes_and_reshapes(make, (6, 8), tmp_path, dynamo=dynamo, wishes=wishes)
    assert before[0] == 4
    assert after[0] == transposes
