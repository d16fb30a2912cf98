from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from helpers import check, inspect_skips, model, random, value
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import helper

SIZES = {"a": 2, "b": 3, "c": 4, "d": 5, "k": 6, "l": 3, "m": 2, "n": 5}


def einsum(equation: str, x: list, w: tuple[int, ...], left: bool = False):  # type: ignore[no-untyped-def]
    node = helper.make_node("Einsum", ["w", "x"] if left else ["x", "w"], ["y"], name="fc", equation=equation)
    return model([node], [value("x", x)], [value("y", None)], {"w": random(w)})


def shape(letters: str) -> tuple[int, ...]:
    return tuple(SIZES[c] for c in letters)


@settings(max_examples=80)
@given(data=st.data(), left=st.booleans(), explicit=st.booleans())
def test_every_contraction(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, left: bool, explicit: bool
) -> None:
    positions = data.draw(st.sampled_from(["", "a", "ab", "abc"]))
    summed = data.draw(st.sampled_from(["k", "kl"]))
    outs = data.draw(st.sampled_from(["", "m", "mn"]))
    group = data.draw(st.sampled_from(["", "d"])) if explicit else ""
    x = "".join(data.draw(st.permutations(positions + summed + group)))
    w = "".join(data.draw(st.permutations(summed + outs + group)))
    y = "".join(data.draw(st.permutations(positions + outs + group)))
    terms = f"{w},{x}" if left else f"{x},{w}"
    proto = einsum(f"{terms}->{y}" if explicit else terms, list(shape(x)), shape(w), left)
    result = check(proto, tmp_path_factory.mktemp("einsum"), [shape(x)])
    assert "Einsum" not in result
    assert result.count("Conv") == 1


@pytest.mark.parametrize(
    ("equation", "x", "w"),
    [
        ("...k,km->...m", ["N", "S", 6], (6, 2)),
        ("...k,km", ["N", "S", 6], (6, 2)),
        ("b...k,mk->b...m", ["N", "S", 6], (2, 6)),
        ("...nk,...km->...nm", [3, "N", 6], (3, 6, 2)),
        ("bshd,hdm->bsm", ["N", "S", 4, 5], (4, 5, 2)),  # a transformer's output projection
        ("bsm,mhd->bshd", ["N", "S", 2], (2, 4, 5)),  # and its input projection
        ("bchw,mc->bmhw", ["N", 4, "H", "W"], (2, 4)),  # a 1x1 convolution, spelled out
        (" b s k , k m -> b s m ", ["N", "S", 6], (6, 2)),
    ],
)
def test_at_dynamic_sizes(tmp_path: Path, equation: str, x: list, w: tuple[int, ...]) -> None:
    shapes = [[d if isinstance(d, int) else s + i for i, d in enumerate(x)] for s in (1, 3)]
    assert check(einsum(equation, x, w), tmp_path, shapes).count("Conv") == 1


def test_an_activation_of_1_broadcasts_along_the_weight(tmp_path: Path) -> None:
    proto = einsum("hc,hcm->hm", [1, 3], (2, 3, 4))
    proto.graph.output[0].CopyFrom(value("y", [None, None]))  # onnxruntime itself infers a wrong shape here
    assert check(proto, tmp_path, [(1, 3)]).count("Conv") == 1


def test_a_convolution_spelled_out_is_read_as_it_is(tmp_path: Path) -> None:
    assert check(einsum("bchw,mc->bmhw", ["N", 4, 7, 5], (2, 4)), tmp_path, [(3, 4, 7, 5)]) == ["Conv"]


def test_a_bias_is_absorbed(tmp_path: Path) -> None:
    proto = einsum("bsk,mk->bsm", ["N", "S", 6], (2, 6))
    proto.graph.node[0].output[0] = "z"
    proto.graph.node.append(helper.make_node("Add", ["b", "z"], ["y"]))
    proto.graph.initializer.append(helper.make_tensor("b", 1, [2], [1.0, -2.0]))
    assert "Add" not in check(proto, tmp_path, [(3, 2, 6)])


@pytest.mark.parametrize(
    ("equation", "x", "w", "code", "detail"),
    [
        ("ab,b->ab", [2, 3], (3,), "FC2C-EINSUM", "nothing is summed over"),
        ("aa,ab->b", [3, 3], (3, 2), "FC2C-EINSUM", "a letter is repeated within a term"),
        ("ab,bc->c", [2, 3], (3, 4), "FC2C-EINSUM", "a is summed over one operand alone"),
        ("ab,bc->a", [2, 3], (3, 4), "FC2C-EINSUM", "c is summed over one operand alone"),
        ("nk,km->nm", ["N", "K"], (1, 4), "FC2C-EINSUM", "k broadcasts though it is summed over"),
        ("kab,kbm->kam", ["N", 2, 3], (4, 3, 2), "FC2C-AMBIGUOUS-BROADCAST", "N against 4"),
    ],
)
def test_what_is_no_layer(tmp_path: Path, equation: str, x: list, w: tuple, code: str, detail: str) -> None:
    ((_, found, sentence),) = inspect_skips(einsum(equation, x, w), tmp_path)
    assert found == code
    assert detail in sentence


def test_one_or_three_operands(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Einsum", ["x"], ["t"], name="one", equation="ab->ba"),
        helper.make_node("Einsum", ["x", "w", "w"], ["y"], name="three", equation="ab,bc,cd->ad"),
    ]
    proto = model(nodes, [value("x", [3, 3])], [value("t", [3, 3]), value("y", [3, 3])], {"w": random((3, 3))})
    ((name, code, _),) = inspect_skips(proto, tmp_path)
    assert (name, code) == ("three", "FC2C-EINSUM")


def test_numpy_agrees_on_the_letters() -> None:
    from fc2conv_cli.layers.einsum import _parse

    for equation, x, w in (
        ("...k,km", (2, 3, 6), (6, 2)),
        ("ba,ac", (2, 3), (3, 4)),
        ("i...j,jk->...ik", (2, 5, 3), (3, 4)),
    ):
        found = _parse(equation, len(x), len(w))
        assert not isinstance(found, str)
        sizes = dict(zip(found[0], x, strict=True)) | dict(zip(found[1], w, strict=True))
        assert np.einsum(equation, np.ones(x), np.ones(w)).shape == tuple(sizes[c] for c in found[2])
