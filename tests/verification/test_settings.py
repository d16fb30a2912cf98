from __future__ import annotations

from pathlib import Path

import pytest
from helpers import INT64, model, save, value
from onnx import helper

from fc2conv_cli import verify
from fc2conv_cli.errors import UsageError
from fc2conv_cli.verification.settings import Settings, parse_tolerances


def test_tolerances_for_all_outputs_and_for_one() -> None:
    atol, rtol, outputs = parse_tolerances(["1e-4", "logits=0.5", "a=b=2"], ["logits=1e-2"])
    assert (atol, rtol) == (1e-4, None)
    assert outputs == {"logits": (0.5, 1e-2), "a=b": (2.0, None)}
    settings = Settings(atol=atol, rtol=1e-3, outputs=outputs)
    assert settings.tolerances_of("logits") == (0.5, 1e-2)
    assert settings.tolerances_of("a=b") == (2.0, 1e-3)
    assert settings.tolerances_of("other") == (1e-4, 1e-3)


@pytest.mark.parametrize(
    ("atols", "message"),
    [(["x"], "'x' is no number"), (["y=x"], "'x' is no number"), (["y=1", "y=2"], "twice"), (["1", "2"], "twice")],
)
def test_what_cannot_be_read(atols: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parse_tolerances(atols, [])


def test_a_negative_tolerance_of_one_output() -> None:
    with pytest.raises(UsageError, match="rtol of output 'y' is -1"):
        Settings(outputs={"y": (None, -1.0)})


def test_a_tolerance_that_names_nothing() -> None:
    with pytest.raises(UsageError, match="'=1e-4' names no output"):
        parse_tolerances(["=1e-4"], [])


def test_more_samples_than_anybody_waits_for() -> None:
    with pytest.raises(UsageError, match="samples is 1000000000"):
        Settings(samples=10**9)


def test_a_tolerance_for_an_output_that_must_be_equal(tmp_path: Path) -> None:
    node = helper.make_node("ArgMax", ["x"], ["k"], axis=1)
    path = save(model([node], [value("x", ["N", 4])], [value("k", ["N", 1], INT64)]), tmp_path / "m.onnx")
    with pytest.raises(UsageError, match="output 'k' is int64, which must be equal"):
        verify(path, path, settings=Settings(outputs={"k": (5.0, None)}))
    assert verify(path, path, settings=Settings(atol=5.0)).passed
