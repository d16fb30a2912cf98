"""Small PyTorch networks with the wiring of well-known ones, and their export by either exporter."""

from __future__ import annotations

import io
import logging
import warnings

import onnx
import torch
from torch import Tensor, nn
from torch.nn import functional


class Classifier(nn.Module):
    """A feature extractor, optional pooling, Flatten and fully connected layers."""

    def __init__(self, features: nn.Module, head: nn.Module, pool: int | None = None) -> None:
        super().__init__()
        self.features, self.head = features, head
        self.pool = nn.Identity() if pool is None else nn.AdaptiveAvgPool2d(pool)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(torch.flatten(self.pool(self.features(x)), 1))


def conv(a: int, b: int, **kwargs: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(a, b, 3, padding=1, **kwargs), nn.BatchNorm2d(b), nn.ReLU())


def alexnet() -> nn.Module:
    head = nn.Sequential(nn.Dropout(), nn.Linear(128, 32), nn.ReLU(), nn.Dropout(), nn.Linear(32, 16), nn.ReLU())
    return Classifier(nn.Sequential(conv(3, 8), nn.MaxPool2d(2)), nn.Sequential(*head, nn.Linear(16, 10)), pool=4)


def vgg() -> nn.Module:
    return Classifier(
        nn.Sequential(conv(3, 8), nn.MaxPool2d(4)), nn.Sequential(nn.Linear(128, 32), nn.ReLU(), nn.Linear(32, 10))
    )


class Residual(nn.Module):
    def __init__(self, c: int) -> None:
        super().__init__()
        self.body = nn.Sequential(conv(c, c), nn.Conv2d(c, c, 3, padding=1), nn.BatchNorm2d(c))

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(x + self.body(x))


def resnet() -> nn.Module:
    return Classifier(nn.Sequential(conv(3, 8), Residual(8), Residual(8)), nn.Linear(8, 10), pool=1)


class SqueezeExcitation(nn.Module):
    """Spelled with Linear, as many are."""

    def __init__(self, c: int) -> None:
        super().__init__()
        self.gate = nn.Sequential(nn.Linear(c, c // 2), nn.ReLU(), nn.Linear(c // 2, c), nn.Sigmoid())

    def forward(self, x: Tensor) -> Tensor:
        return x * self.gate(x.mean((2, 3)))[:, :, None, None]


def mobilenet() -> nn.Module:
    features = nn.Sequential(
        conv(3, 8), conv(8, 8, groups=8), SqueezeExcitation(8), nn.Conv2d(8, 16, 1), nn.Hardswish()
    )
    return Classifier(features, nn.Sequential(nn.Linear(16, 32), nn.Hardswish(), nn.Linear(32, 10)), pool=1)


def efficientnet() -> nn.Module:
    features = nn.Sequential(conv(3, 8), SqueezeExcitation(8), nn.SiLU(), nn.Conv2d(8, 16, 1), nn.SiLU())
    return Classifier(features, nn.Sequential(nn.Dropout(0.2), nn.Linear(16, 10)), pool=1)


class Dense(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = conv(3, 4), conv(7, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.cat([x, self.first(x)], 1)
        return torch.cat([x, self.second(x)], 1)


def densenet() -> nn.Module:
    return Classifier(Dense(), nn.Linear(11, 10), pool=1)


class ConvNeXtBlock(nn.Module):
    def __init__(self, c: int) -> None:
        super().__init__()
        self.depthwise, self.norm = nn.Conv2d(c, c, 7, padding=3, groups=c), nn.LayerNorm(c)
        self.mix = nn.Sequential(nn.Linear(c, 2 * c), nn.GELU(), nn.Linear(2 * c, c))
        self.scale = nn.Parameter(torch.rand(c))

    def forward(self, x: Tensor) -> Tensor:
        h = self.norm(self.depthwise(x).permute(0, 2, 3, 1))
        return x + (self.scale * self.mix(h)).permute(0, 3, 1, 2)


def convnext() -> nn.Module:
    return nn.Sequential(ConvNeXtBlock(8), ConvNeXtBlock(8))


class ChannelsLast(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.linear, self.last = nn.Conv2d(3, 8, 3), nn.Linear(8, 6), nn.Conv2d(6, 4, 3)

    def forward(self, x: Tensor) -> Tensor:
        h = functional.relu(self.linear(self.first(x).permute(0, 2, 3, 1)))
        return self.last(h.permute(0, 3, 1, 2))


class Attention(nn.Module):
    def __init__(self, c: int, heads: int, *, fused: bool) -> None:
        super().__init__()
        self.heads, self.fused = heads, fused
        self.qkv = nn.Linear(c, 3 * c) if fused else nn.ModuleList([nn.Linear(c, c) for _ in range(3)])
        self.proj = nn.Linear(c, c)

    def forward(self, x: Tensor) -> Tensor:
        b, s, c = x.shape
        if self.fused:  # ViT and Swin
            q, k, v = self.qkv(x).reshape(b, s, 3, self.heads, c // self.heads).permute(2, 0, 3, 1, 4)
        else:  # BERT
            q, k, v = (f(x).view(b, s, self.heads, c // self.heads).transpose(1, 2) for f in self.qkv)
        scores = (q @ k.transpose(-2, -1) * (c // self.heads) ** -0.5).softmax(-1)
        return self.proj((scores @ v).transpose(1, 2).reshape(b, s, c))


class Block(nn.Module):
    def __init__(self, c: int, *, fused: bool, norm_first: bool) -> None:
        super().__init__()
        self.norm_first = norm_first
        self.attention = Attention(c, 2, fused=fused)
        self.mix = nn.Sequential(nn.Linear(c, 2 * c), nn.GELU(), nn.Linear(2 * c, c))
        self.norms = nn.ModuleList([nn.LayerNorm(c), nn.LayerNorm(c)])

    def forward(self, x: Tensor) -> Tensor:
        if self.norm_first:
            x = x + self.attention(self.norms[0](x))
            return x + self.mix(self.norms[1](x))
        x = self.norms[0](x + self.attention(x))
        return self.norms[1](x + self.mix(x))


class ViT(nn.Module):
    def __init__(self, depth: int) -> None:
        super().__init__()
        self.patches, self.position = nn.Conv2d(3, 16, 4, stride=4), nn.Parameter(torch.rand(1, 4, 16))
        self.blocks = nn.Sequential(*(Block(16, fused=True, norm_first=True) for _ in range(depth)))
        self.norm, self.head = nn.LayerNorm(16), nn.Linear(16, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patches(x).flatten(2).transpose(1, 2) + self.position
        return self.head(self.norm(self.blocks(x)).mean(1))


def bert(depth: int) -> nn.Module:
    return nn.Sequential(*(Block(16, fused=False, norm_first=False) for _ in range(depth)))


class SwinBlock(nn.Module):
    """Attention within windows of 2x2 on a map of 4x4."""

    def __init__(self, c: int) -> None:
        super().__init__()
        self.block = Block(c, fused=True, norm_first=True)

    def forward(self, x: Tensor) -> Tensor:
        b, h, w, c = x.shape
        windows = x.view(b, h // 2, 2, w // 2, 2, c).permute(0, 1, 3, 2, 4, 5).reshape(-1, 4, c)
        windows = self.block(windows).view(-1, h // 2, w // 2, 2, 2, c)
        return windows.permute(0, 1, 3, 2, 4, 5).reshape(-1, h, w, c)


class MixerBlock(nn.Module):
    def __init__(self, tokens: int, c: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList([nn.LayerNorm(c), nn.LayerNorm(c)])
        self.tokens = nn.Sequential(nn.Linear(tokens, 8), nn.GELU(), nn.Linear(8, tokens))
        self.channels = nn.Sequential(nn.Linear(c, 16), nn.GELU(), nn.Linear(16, c))

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.tokens(self.norms[0](x).transpose(1, 2)).transpose(1, 2)
        return x + self.channels(self.norms[1](x))


class GatedBlock(nn.Module):
    """gMLP: half of the channels gate the other half, mixed over tokens."""

    def __init__(self, tokens: int, c: int) -> None:
        super().__init__()
        self.norm, self.inner = nn.LayerNorm(c), nn.LayerNorm(c)
        self.first, self.spatial, self.last = nn.Linear(c, 2 * c), nn.Linear(tokens, tokens), nn.Linear(c, c)

    def forward(self, x: Tensor) -> Tensor:
        u, v = functional.gelu(self.first(self.norm(x))).chunk(2, -1)
        v = self.spatial(self.inner(v).transpose(1, 2)).transpose(1, 2)
        return x + self.last(u * v)


class ResMLPBlock(nn.Module):
    def __init__(self, tokens: int, c: int) -> None:
        super().__init__()
        self.scale, self.shift = nn.Parameter(torch.rand(c)), nn.Parameter(torch.rand(c))
        self.tokens = nn.Linear(tokens, tokens)
        self.channels = nn.Sequential(nn.Linear(c, 16), nn.GELU(), nn.Linear(16, c))

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.tokens((x * self.scale + self.shift).transpose(1, 2)).transpose(1, 2)
        return x + self.channels(x * self.scale)


def mlp() -> nn.Module:
    layers: list[nn.Module] = []
    for activation in (nn.ReLU(), nn.GELU(), nn.Sigmoid(), nn.LeakyReLU(), nn.Softmax(-1)):
        layers += [nn.Linear(16, 16), activation]
    return nn.Sequential(*layers)


def export(module: nn.Module, shape: tuple[int, ...], *, dynamo: bool) -> onnx.ModelProto:
    """Export with a dynamic batch."""
    torch.manual_seed(0)
    x = torch.randn(2, *shape)
    logging.disable(logging.WARNING)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        buffer = io.BytesIO()
        if dynamo:
            program = torch.onnx.export(
                module.eval(), (x,), dynamo=True, input_names=["x"], output_names=["y"],
                dynamic_shapes=({0: torch.export.Dim("N")},), opset_version=18, verbose=False,
            )  # fmt: skip
            assert program is not None
            program.save(buffer)
        else:
            torch.onnx.export(
                module.eval(), (x,), buffer, dynamo=False, input_names=["x"], output_names=["y"],
                dynamic_axes={"x": {0: "N"}, "y": {0: "N"}}, opset_version=17,
            )  # fmt: skip
    logging.disable(logging.NOTSET)
    return onnx.load_from_string(buffer.getvalue())
