"""Looks through a program of torch.export for what PyTorch would evaluate, import or call while it loads or runs it.

PyTorch hands the symbolic sizes in the file to sympy, which evaluates text as Python; it looks up the operators of the
graph by name; it imports classes that the description of the inputs names; and it loads compiled code. Pickles inside
are seen to by `guard`.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fc2conv_cli.frontends.pytorch.archive import members, names

_COMPILED = ("data/aotinductor/", ".so", ".dll", ".dylib", ".cubin", ".py")
"""Members that PyTorch would load as machine code, or run."""
_NUMBERS = re.compile(r"data/(weights|constants)/(weight|tensor)_\d+$")
"""Members that hold raw numbers, which may be large."""
_OPERATOR = re.compile(r"torch\.ops\.[A-Za-z]\w*(\.[A-Za-z_]\w*){1,2}")
_ARITHMETIC = re.compile(
    r"(_operator|math|torch|torch\.sym_\w+|torch\._sym_\w+)\."
    r"(add|sub|mul|truediv|floordiv|mod|pow|neg|pos|abs|eq|ne|lt|le|gt|ge|and_|or_|not_|getitem|trunc|ceil|floor|round"
    r"|sqrt|sym_\w+|_sym_\w+)"
)
_REFUSED = re.compile(
    r"\b(from_file|save|load|load_library|import_module|_pickle\w*|system)\b"
    r"|\b__(?!i?(and|or|xor|lshift|rshift)__)"  # operators that aten spells as Python does
)
_NODES = (
    ast.Expression,
    *(
        ast.BinOp,
        ast.UnaryOp,
        ast.Compare,
        ast.BoolOp,
        ast.Call,
        ast.keyword,
        ast.Name,
        ast.Constant,
        ast.Load,
        ast.Tuple,
    ),
    *(ast.operator, ast.unaryop, ast.cmpop, ast.boolop),
)
_FUNCTIONS = frozenset({"floor", "ceiling", "sqrt", "log", "exp", "sign"})
"""Those of sympy that begin with a small letter; no function of Python begins with a capital one."""
_WORD = re.compile(r"[A-Za-z]\w*")
_IMPORTS = frozenset({"default_factory_module", "default_factory_name", "__enum__"})


def complaint(path: Path) -> str | None:
    """What in a program would run code, in words; None if nothing is found.

    Raises:
        PyTorchFileError: The archive is damaged.
    """
    if (compiled := next(filter(_is_compiled, names(path)), None)) is not None:
        return f"{compiled!r} in it is compiled code"
    try:
        for _, text in members(path, _may_be_json):
            if (found := next(_complaints(_json(text)), None)) is not None:
                return found
    except RecursionError:
        return "it is nested too deeply to be looked through"
    return None


def _is_compiled(name: str) -> bool:
    return _COMPILED[0] in name or name.endswith(_COMPILED[1:])


def _may_be_json(name: str) -> bool:
    """PyTorch takes whatever is in the folder of models for JSON, by any name."""
    return "models/" in name or not _NUMBERS.search(name)


def _complaints(content: Any) -> Iterator[str]:
    """Go through all of a JSON value, and through JSON inside its strings."""
    stack = [("", content)]
    while stack:
        key, value = stack.pop()
        if isinstance(value, dict):
            stack.extend(value.items())
            if named := _IMPORTS & value.keys():
                yield f"its inputs name a class to import ({', '.join(sorted(named))})"
        elif isinstance(value, list):
            stack.extend((key, item) for item in value)
        elif isinstance(value, str):
            yield from _complaints_of_text(key, value)
            if value.lstrip()[:1] in ("[", "{", '"') and (inner := _json(value)) is not None:
                stack.append((key, inner))


def _complaints_of_text(key: str, text: str) -> Iterator[str]:
    if key == "expr_str" and not _is_arithmetic(text):
        yield f"the size {text[:80]!r} is no arithmetic"
    elif key == "target" and not _is_operator(text):
        yield f"its graph calls {text[:80]!r}"


def _is_operator(target: str) -> bool:
    if _OPERATOR.fullmatch(target):
        return not _REFUSED.search(target.removeprefix("torch.ops."))
    return bool(_ARITHMETIC.fullmatch(target)) or _WORD.fullmatch(target) is not None


def _is_arithmetic(text: str) -> bool:
    """Whether an expression is made of numbers, symbols, operators and functions of sympy only."""
    try:
        tree = ast.parse(text, mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return all(isinstance(node, _NODES) and _is_harmless(node) for node in ast.walk(tree))


def _is_harmless(node: ast.AST) -> bool:
    if isinstance(node, ast.Call):
        return isinstance(node.func, ast.Name) and (node.func.id[:1].isupper() or node.func.id in _FUNCTIONS)
    if isinstance(node, ast.Name):
        return _WORD.fullmatch(node.id) is not None
    if isinstance(node, ast.Constant) and isinstance(node.value, str):  # Symbol('s0')
        return _WORD.fullmatch(node.value) is not None
    return not isinstance(node, ast.Constant) or isinstance(node.value, int | float)


def _json(text: str | bytes) -> Any | None:
    """What a text holds, if it is JSON; if it is not, PyTorch will not read it either."""
    try:
        return json.loads(text)
    except ValueError:
        return None
