"""A converted file that declares shapes which do not come out does not pass."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from helpers import matmul, random, save, value

from fc2conv_cli import verify
from fc2conv_cli.verification.declared import contradicted
from fc2conv_cli.verification.report import VerifyReport

Shape = Sequence[int | str | None] | None
W = random((16, 8))


def against(tmp_path: Path, ours: Shape, theirs: Shape) -> VerifyReport:
    paths = []
    for name, shape in (("a", ours), ("b", theirs)):
        proto = matmul(["N", 16], W)
        proto.graph.output[0].CopyFrom(value("y", shape))
        paths.append(save(proto, tmp_path / f"{name}.onnx"))
    return verify(*paths)


@pytest.mark.parametrize(
    ("theirs", "message"),
    [
        (["N", 99], "declares [N, 99], gives [1, 8]"),
        (["N", 8, 1, 1], "declares [N, 8, 1, 1], gives [1, 8]"),
        ([1, 8], "declares [1, 8], gives [3, 8]"),
    ],
)
@pytest.mark.parametrize("ours", [["N", 8], None])
def test_what_did_not_come_out(
    tmp_path: Path, ours: list[int | str] | None, theirs: list[int | str], message: str
) -> None:
    report = against(tmp_path, ours, theirs)
    assert not report.passed
    assert report.outputs[0].failures == (message,)


@pytest.mark.parametrize("theirs", [["N", 8], ["batch", 8], ["N", None], [None, None]])
def test_names_and_unknown_sizes_deny_nothing(tmp_path: Path, theirs: list[int | str | None]) -> None:
    report = against(tmp_path, ["N", 8], theirs)
    assert report.passed
    assert report.outputs[0].notes == ()


def test_a_lost_shape_is_a_note(tmp_path: Path) -> None:
    report = against(tmp_path, ["N", 8], None)
    assert report.passed
    assert report.outputs[0].notes == ("the converted model declares no shape, the original [N, 8]",)


def test_what_the_original_denies_too_is_no_fault() -> None:
    assert contradicted(("N", 99), ("N", 99), {(3, 8)}) is None
    assert contradicted(("N", 8), ("N", 99), {(3, 8)}) is None
    assert contradicted(("N", 99), ("N", 8), {(3, 8)}) == (3, 8)
    assert contradicted(None, ("N", 8), {(3, 8)}) is None
