from __future__ import annotations

from pathlib import Path

import pytest

from fc2conv_cli.errors import UsageError
from fc2conv_cli.frontends.input_specs import InputSpec
from fc2conv_cli.verification.feeding import Feeding, Range, parse_dims, parse_ranges


def test_sizes_of_dims() -> None:
    assert parse_dims(["N=1,3,16,3", "a=b=2"]) == {"N": (1, 3, 16), "a=b": (2,)}


@pytest.mark.parametrize("text", ["N", "N=", "=3", "N=1,", "N=-1", "N=x"])
def test_sizes_that_cannot_be_read(text: str) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        parse_dims([text])


def test_a_dim_given_twice() -> None:
    with pytest.raises(UsageError, match="twice"):
        parse_dims(["N=1", "N=2"])


def test_ranges() -> None:
    assert parse_ranges(["ids:0..511", "a:b:-1.5..2e3"]) == {"ids": Range(0, 511), "a:b": Range(-1.5, 2000)}


def test_integers_beyond_2_to_the_53_are_not_rounded() -> None:
    odd = 2**53 + 1
    found = parse_ranges([f"ids:{-odd}..{odd}", f"big:0..{2**64 - 1}"])
    assert found == {"ids": (-odd, odd), "big": (0, 2**64 - 1)}
    assert str(found["ids"]) == "-9007199254740993..9007199254740993"
    assert str(Range(-1.5, 3)) == "-1.5..3"


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ([f"ids:0..1{'0' * 400}"], "cannot be read"),
        ([f"ids:0..1{'0' * 5000}"], "cannot be read"),
        (["ids"], "cannot be read"),
        (["ids:1"], "cannot be read"),
        (["ids:a..b"], "cannot be read"),
        (["ids:0..inf"], "cannot be read"),
        ([":0..1"], "cannot be read"),
        (["ids:2..1"], "empty"),
        (["ids:0..1", "ids:0..2"], "twice"),
    ],
)
def test_ranges_that_make_no_sense(texts: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parse_ranges(texts)


@pytest.mark.parametrize(
    "more",
    [
        {"dims": {"N": (1,)}},
        {"specs": (InputSpec("x", (1,)),)},
        {"distribution": "ones"},
        {"ranges": {"x": Range(0, 1)}},
    ],
)
def test_inputs_are_given_or_made_up(more: dict[str, object]) -> None:
    with pytest.raises(UsageError, match="makes them up"):
        Feeding(Path("x.npz"), **more)
