"""Looks at the names and texts of a program, which PyTorch pastes into Python source that it then executes.

What PyTorch itself writes is narrow; whatever else there is, is refused.
"""

from __future__ import annotations

import ast
import json
import keyword
import re
from collections.abc import Iterator
from typing import Any

from fc2conv_cli.frontends.pytorch.expressions import is_made_of

_DOTTED = re.compile(r"([A-Za-z0-9_]+(\.[A-Za-z0-9_]+)*)?")
_PLAIN = re.compile(r"[A-Za-z0-9_ .,:;<>()\[\]+*/=|@&%-]*")
"""Text without quotes, backslashes, comments and line breaks: it stays inside the quotes that it is put in."""
_IDENTIFIERS = frozenset({"name", "as_name", "forward_arg_names"})
_TEXTS = frozenset({"as_string", "as_strings", "context", "type", "torch_version"})
_ELSEWHERE = frozenset({"target", "expr_str", "in_spec", "out_spec"})
"""Looked at by `program_check`, or as JSON."""
_STORED = re.compile(r"(weight|tensor)_\w+(\.\w+)*")
"""Files of tensors. Others hold pickled objects of any class."""
_GUARD = re.compile(r"[\w\[\]'() .,<>=!+*/%-]*", re.ASCII)
_KEY = re.compile(r"[\w .-]*", re.ASCII)
_ATTRIBUTES = frozenset(
    {"size", "stride", "storage_offset", "numel", "dim", "floor", "ceil", "sqrt", "trunc", "pow", "log", "exp", "inf"}
)
_GUARD_FUNCTIONS = frozenset(
    {
        *("Eq", "Ne", "Max", "Min", "Mod", "PythonMod", "FloorDiv", "CleanDiv", "IntTrueDiv", "CeilToInt"),
        *(
            "FloorToInt",
            "TruncToInt",
            "ToFloat",
            "abs",
            "pow",
            "max",
            "min",
            "int",
            "float",
            "bool",
            "round",
            "floor",
            "ceiling",
        ),
    }
)
"""Of Python, of sympy and of PyTorch; they compute."""


def complaint_of_key(parent: str, key: str) -> str | None:
    """What is wrong with the key of a JSON object, in words."""
    if parent == "range_constraints" or _DOTTED.fullmatch(key):
        return None
    return f"the name {key[:80]!r} is no name that PyTorch gives"


def complaint_of_text(key: str, text: str) -> str | None:
    """What is wrong with a text, in words.

    Args:
        key: The key of the JSON object that it belongs to.
        text: The text.
    """
    if key in _ELSEWHERE or (key in ("context", "") and _is_json(text)):
        return None
    if key == "guards_code":
        return None if is_guard(text) else f"its guard {text[:80]!r} does more than compare sizes"
    if key in _TEXTS:
        return None if _PLAIN.fullmatch(text) else f"the text {text[:80]!r} may be more than text"
    if key == "path_name":
        return None if _STORED.fullmatch(text) else f"{text[:80]!r} holds an object that is no tensor"
    allowed = is_identifier(text) or not text if key in _IDENTIFIERS else _DOTTED.fullmatch(text)
    return None if allowed else f"the name {text[:80]!r} is no name that PyTorch gives"


def is_identifier(text: str) -> bool:
    """Whether a text is a name in Python source, and nothing else."""
    return text.isascii() and text.isidentifier() and not keyword.iskeyword(text)


def names_of_kwargs(text: str) -> Iterator[str]:
    """The names of arguments in the description of what the program is called with."""
    try:
        _, spec = json.loads(text)
        args, kwargs = spec["children_spec"]
        if args["type"] == "builtins.tuple":
            yield from map(str, json.loads(kwargs["context"]) or ())
    except (ValueError, TypeError, KeyError):  # of another form: then no names are taken from it
        return


def is_guard(text: str) -> bool:
    """Whether a guard compares sizes of inputs, and does nothing else."""
    more = (ast.Subscript, ast.Attribute)
    return _GUARD.fullmatch(text) is not None and is_made_of(text, more, _is_harmless)


def _is_harmless(node: ast.AST) -> bool:
    if isinstance(node, ast.Name):
        return node.id in _GUARD_FUNCTIONS or node.id in ("L", "inf", "math")
    if isinstance(node, ast.Attribute):
        return node.attr in _ATTRIBUTES
    if isinstance(node, ast.Call):
        return not node.keywords and isinstance(node.func, ast.Name | ast.Attribute)
    if isinstance(node, ast.Constant):
        value: Any = node.value
        return _KEY.fullmatch(value) is not None if isinstance(value, str) else isinstance(value, int | float | None)
    return True


def _is_json(text: str) -> bool:
    """Whether it is a JSON value that is looked through by itself."""
    if text.lstrip()[:1] not in ("[", "{", '"'):
        return False
    try:
        json.loads(text)
    except ValueError:
        return False
    return True
