"""Small networks of the kinds that people ship."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from helpers import model, random, value
from onnx import helper

Nodes = list[onnx.NodeProto]


class Net:
    """A small network in the making: nodes, weights, and unique names."""

    def __init__(self) -> None:
        self.nodes: Nodes = []
        self.constants: dict[str, np.ndarray] = {}

    def constant(self, array: np.ndarray) -> str:
        name = f"c{len(self.constants)}"
        self.constants[name] = array
        return name

    def __call__(self, op: str, *inputs: str, **attributes: Any) -> str:
        name = f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, list(inputs), [name], name=f"{op}{len(self.nodes)}", **attributes))
        return name

    def number(self, number: float) -> str:
        return self.constant(np.array(number, np.float32))

    def linear(self, x: str, k: int, m: int, *, gemm: bool = False) -> str:
        weight, bias = (
            self.constant(random((k, m), seed=len(self.nodes)) * np.float32(k**-0.5)),
            self.constant(random((m,))),
        )
        if gemm:
            return self("Gemm", x, weight, bias)
        return self("Add", self("MatMul", x, weight), bias)

    def norm(self, x: str, c: int) -> str:
        return self("LayerNormalization", x, self.constant(random((c,)) + 2), self.constant(random((c,))), axis=-1)

    def reshape(self, x: str, *shape: int) -> str:
        return self("Reshape", x, self.constant(np.array(shape)))

    def build(self, x: list[int | str], result: str) -> onnx.ModelProto:
        self.nodes.append(helper.make_node("Identity", [result], ["y"]))
        return model(self.nodes, [value("x", x)], [value("y", None)], self.constants)


def mlp(depth: int) -> onnx.ModelProto:
    net, x = Net(), "x"
    for i in range(depth):
        x = net.linear(x, 16, 16, gemm=i % 2 == 0)
        x = net(("Relu", "Sigmoid", "Tanh", "HardSwish")[i % 4], x)
    return net.build(["N", 16], x)


def excitation(*, pooled: bool) -> onnx.ModelProto:
    net = Net()
    x = net("Conv", "x", net.constant(random((8, 3, 3, 3))), pads=[1, 1, 1, 1])
    s = net("Flatten", net("GlobalAveragePool", x)) if pooled else net("ReduceMean", x, axes=[2, 3], keepdims=0)
    s = net("Relu", net.linear(s, 8, 4, gemm=True))
    s = net("Sigmoid", net.linear(s, 4, 8, gemm=True))
    s = net.reshape(s, 0, 8, 1, 1)
    return net.build(["N", 3, 6, 5], net("Conv", net("Mul", x, s), net.constant(random((4, 8, 1, 1)))))


def channels_last(*, layernorm: bool) -> onnx.ModelProto:
    """A ConvNeXt block, or the same without its LayerNormalization."""
    net = Net()
    x = net("Conv", "x", net.constant(random((8, 1, 3, 3))), pads=[1, 1, 1, 1], group=8)
    h = net("Transpose", x, perm=[0, 2, 3, 1])
    h = net.norm(h, 8) if layernorm else h
    h = net.linear(net("HardSwish", net.linear(h, 8, 16)), 16, 8)
    h = net("Transpose", net("Mul", h, net.constant(random((8,)))), perm=[0, 3, 1, 2])
    return net.build(["N", 8, 6, 5], net("Add", "x", h))


def attention(net: Net, x: str, width: int, heads: int, *, fused: bool) -> str:
    def split(v: str) -> str:
        return net("Transpose", net.reshape(v, 0, 0, heads, width // heads), perm=[0, 2, 1, 3])

    if fused:
        whole = net.linear(x, width, 3 * width)
        parts = net.constant(np.array([width] * 3))
        net.nodes.append(helper.make_node("Split", [whole, parts], [f"{whole}_{i}" for i in range(3)], axis=-1))
        q, k, v = (split(f"{whole}_{i}") for i in range(3))
    else:
        q, k, v = (split(net.linear(x, width, width)) for _ in range(3))
    scores = net("Softmax", net("MatMul", q, net("Transpose", k, perm=[0, 1, 3, 2])), axis=-1)
    mixed = net("Transpose", net("MatMul", scores, v), perm=[0, 2, 1, 3])
    return net.linear(net.reshape(mixed, 0, 0, width), width, width)


def encoder(depth: int, *, fused: bool = False, width: int = 16, heads: int = 2) -> onnx.ModelProto:
    net, x = Net(), "x"
    for _ in range(depth):
        x = net("Add", x, attention(net, net.norm(x, width), width, heads, fused=fused))
        h = net("Tanh", net.linear(net.norm(x, width), width, 2 * width))
        x = net("Add", x, net.linear(h, 2 * width, width))
    return net.build(["N", "S", width], net.norm(x, width))


def mixer(depth: int) -> onnx.ModelProto:
    """MLP-Mixer: tokens are mixed with a Transpose on either side."""
    net, x = Net(), "x"
    for _ in range(depth):
        h = net("Transpose", net.norm(x, 8), perm=[0, 2, 1])
        h = net.linear(net("Tanh", net.linear(h, 6, 12)), 12, 6)
        x = net("Add", x, net("Transpose", h, perm=[0, 2, 1]))
        x = net("Add", x, net.linear(net("Tanh", net.linear(net.norm(x, 8), 8, 16)), 16, 8))
    return net.build(["N", 6, 8], x)


def head(*, pool: bool, norm: bool) -> onnx.ModelProto:
    """The end of a CNN: VGG's when not pooled, ResNet's when pooled."""
    net = Net()
    x = net("Relu", net("Conv", "x", net.constant(random((8, 3, 3, 3)))))
    features = 8 * 3 * 4
    if pool:
        x, features = net("GlobalAveragePool", x), 8
    x = net.linear(net("Flatten", x), features, 16, gemm=True)
    if norm:
        parameters = [net.constant(random((16,), seed=i) ** 2 + np.float32(0.1)) for i in range(4)]
        x = net("BatchNormalization", x, *parameters)
    return net.build(["N", 3, 5, 6], net("Softmax", net.linear(net("Relu", x), 16, 5, gemm=True), axis=1))
