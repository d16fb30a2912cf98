from __future__ import annotations

import pytest

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
