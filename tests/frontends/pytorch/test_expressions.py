from __future__ import annotations

import ast

import pytest

from fc2conv_cli.frontends.pytorch.expressions import is_made_of


def _any(node: ast.AST) -> bool:
    return True


@pytest.mark.parametrize("text", ["1 + 2*s0", "Max(s0, 1) <= -s1", "not s0 and s1"])
def test_arithmetic(text: str) -> None:
    assert is_made_of(text, (), _any)


@pytest.mark.parametrize(
    "text",
    ["a.b", "a[0]", "[1]", "lambda: 1", "(x := 1)", "a if b else c", "f'{a}'", "a = 1", "1 +", "\0", "(" * 10_000],
)
def test_everything_else(text: str) -> None:
    assert not is_made_of(text, (), _any)


def test_what_else_is_allowed_and_what_is_harmless_is_for_the_caller_to_say() -> None:
    assert is_made_of("a.b", (ast.Attribute,), _any)
    assert not is_made_of("1 + 2", (), lambda node: not isinstance(node, ast.Constant))
