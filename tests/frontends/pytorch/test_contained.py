from __future__ import annotations

import types

import pytest

from fc2conv_cli.frontends.pytorch.contained import LeftError, contained


class Odd(BaseException):
    """No Exception."""


@pytest.mark.parametrize("error", [SystemExit(0), GeneratorExit(), Odd("x")])
def test_what_would_end_the_program_does_not(error: BaseException) -> None:
    with pytest.raises(LeftError, match=f"ended itself with {type(error).__name__}"), contained():
        raise error


def test_other_errors_are_themselves() -> None:
    with pytest.raises(ValueError, match="a"), contained():
        raise ValueError("a")
    with pytest.raises(KeyboardInterrupt), contained():
        raise KeyboardInterrupt
    with contained():
        pass


def test_a_signal_ends_the_program_wherever_it_is() -> None:
    handler = types.FunctionType(compile("raise SystemExit(143)", "cli.py", "exec"), {"__name__": "fc2conv_cli.cli"})
    with pytest.raises(SystemExit), contained():
        handler()
