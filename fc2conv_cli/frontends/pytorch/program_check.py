"""Looks through a program of torch.export for what PyTorch would evaluate, import or call while it loads or runs it.

PyTorch hands the symbolic sizes in the file to sympy, which evaluates text as Python; it looks up the operators of the
graph by name; it imports classes that the description of the inputs names; and it loads compiled code. Pickles inside
are seen to by `guard`.
"""

from __future__ import annotations

import ast
import json
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

_COMPILED = ("data/aotinductor/", ".so", ".dll", ".dylib", ".cubin", ".py")
"""Members that PyTorch would load as machine code, or run."""
_OPERATOR = re.compile(r"torch\.ops\.[A-Za-z]\w*(\.[A-Za-z_]\w*){1,2}")
_ARITHMETIC = re.compile(
    r"(_operator|math|torch|torch\.sym_\w+|torch\._sym_\w+)\."
    r"(add|sub|mul|truediv|floordiv|mod|pow|neg|pos|abs|eq|ne|lt|le|gt|ge|and_|or_|not_|getitem|trunc|ceil|floor|round"
    r"|sqrt|sym_\w+|_sym_\w+)"
)
_TOUCHES_FILES = re.compile(r"\b(from_file|save|load|_pickle\w*|system)\b")
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
    """What in a program would run code, in words; None if nothing is found."""
    names, texts = _members(path)
    if (compiled := next((name for name in names if _is_compiled(name)), None)) is not None:
        return f"{compiled!r} in it is compiled code"
    for text in texts:
        try:
            content = json.loads(text)
        except (ValueError, RecursionError):
            continue  # torch will not read it either
        found = next(_complaints(content), None)
        if found is not None:
            return found
    return None


def _is_compiled(name: str) -> bool:
    return _COMPILED[0] in name or name.endswith(_COMPILED[1:])


def _members(path: Path) -> tuple[list[str], list[bytes]]:
    """All names, and the content of all JSON files, as Python and as PyTorch read the archive.

    The two may read a forged archive differently, and PyTorch uses both.
    """
    names, texts = [], []
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            names.append(name)
            if name.endswith(".json"):
                texts.append(archive.read(name))
    try:
        reader = torch._C.PyTorchFileReader(str(path))
    except RuntimeError:  # an archive of an older layout, which PyTorch reads through Python
        return names, texts
    for name in reader.get_all_records():
        names.append(name)
        if name.endswith(".json"):
            texts.append(reader.get_record(name))
    return names, texts


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
        return not _TOUCHES_FILES.search(target.removeprefix("torch.ops."))
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


def _json(text: str) -> Any | None:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
