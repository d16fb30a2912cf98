"""Whether a text that PyTorch evaluates as Python is an expression of a few harmless kinds, and nothing else."""

from __future__ import annotations

import ast
from collections.abc import Callable

_ARITHMETIC = (
    *(ast.Expression, ast.BinOp, ast.UnaryOp, ast.Compare, ast.BoolOp, ast.Call, ast.Name, ast.Constant, ast.Load),
    *(ast.operator, ast.unaryop, ast.cmpop, ast.boolop),
)
"""Numbers, names, operators and calls of them."""


def is_made_of(text: str, more: tuple[type[ast.AST], ...], is_harmless: Callable[[ast.AST], bool]) -> bool:
    """Whether a text is one expression of arithmetic, every part of it harmless.

    Args:
        text: Python source, or anything else.
        more: Kinds of nodes that are allowed besides those of arithmetic.
        is_harmless: Whether a node of an allowed kind may stand there: which names, calls and constants.
    """
    try:
        tree = ast.parse(text, mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return all(isinstance(node, (*_ARITHMETIC, *more)) and is_harmless(node) for node in ast.walk(tree))
