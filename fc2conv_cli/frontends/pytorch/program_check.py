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

from fc2conv_cli.frontends.pytorch.archive import holds_torchscript, members, names
from fc2conv_cli.frontends.pytorch.expressions import is_made_of
from fc2conv_cli.frontends.pytorch.program_names import (
    complaint_of_key,
    complaint_of_text,
    is_identifier,
    names_of_kwargs,
)

_COMPILED = ("data/aotinductor/", ".so", ".dll", ".dylib", ".cubin", ".py")
"""Members that PyTorch would load as machine code, or run."""
_NUMBERS = re.compile(r"data/(weights|constants)/(weight|tensor)_\d+$")
"""Members that hold raw numbers, which may be large."""
_OPERATOR = re.compile(
    r"torch\.ops\.("
    r"(aten|prim|prims|quantized|quantized_decomposed|torchao|torchvision|onnx|mkldnn|onednn|sparse)"
    r"(\.[A-Za-z_]\w*){1,2}"
    r"|higher_order\.(cond|while_loop|scan|map|map_impl|associative_scan|wrap|wrap_with_set_grad_enabled"
    r"|wrap_with_autocast|invoke_subgraph|flex_attention|strict_mode|out_dtype|auto_functionalized"
    r"|auto_functionalized_v2|tag_activation_checkpoint)(\.default)?)"
)
"""Of the libraries that compute and do nothing else."""
_ARITHMETIC = re.compile(
    r"(_operator|math|torch|torch\.sym_\w+|torch\._sym_\w+)\."
    r"(add|sub|mul|truediv|floordiv|mod|pow|neg|pos|abs|eq|ne|lt|le|gt|ge|and_|or_|not_|getitem|trunc|ceil|floor|round"
    r"|sqrt|sym_\w+|_sym_\w+)"
)
_REFUSED = re.compile(
    r"\b(from_file|save|load|load_library|import_module|_pickle\w*|system)\b"
    r"|\b__(?!i?(and|or|xor|lshift|rshift)__)"  # operators that aten spells as Python does
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
    if (nested := holds_torchscript(path)) is not None:
        return f"{nested!r} in it is a TorchScript archive, which runs a program of its own"
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
    stack: list[tuple[str, Any, bool]] = [("", content, False)]
    while stack:
        key, value, free = stack.pop()
        if isinstance(value, dict):
            yield from _complaints_of_object(key, value, free)
            stack.extend((name, item, free or _are_notes(name, value)) for name, item in value.items())
        elif isinstance(value, list):
            stack.extend((key, item, free) for item in value)
        elif isinstance(value, str):
            yield from _complaints_of_text(key, value, free)
            if value.lstrip()[:1] in ("[", "{", '"') and (inner := _json(value)) is not None:
                stack.append((key, inner, free))


def _are_notes(name: str, parent: dict[str, Any]) -> bool:
    """Whether these are PyTorch's notes on a node or a graph; a weight may have that name as well."""
    of_node, of_graph = parent.get("target"), parent.get("module_call_graph")
    return name == "metadata" and (isinstance(of_node, str) or isinstance(of_graph, list))


def _complaints_of_object(key: str, value: dict[str, Any], free: bool) -> Iterator[str]:
    if named := _IMPORTS & value.keys():
        yield f"its inputs name a class to import ({', '.join(sorted(named))})"
    if key == "range_constraints":
        yield from (f"the size {name[:80]!r} is no arithmetic" for name in value if not _is_arithmetic(name))
    if not free:
        yield from filter(None, (complaint_of_key(key, name) for name in value))


def _complaints_of_text(key: str, text: str, free: bool) -> Iterator[str]:
    """Texts that are free are notes of PyTorch on where an operator comes from; nothing reads them as code."""
    if key == "expr_str" and not _is_arithmetic(text):
        yield f"the size {text[:80]!r} is no arithmetic"
    elif key == "target" and not _is_operator(text):
        yield f"its graph calls {text[:80]!r}"
    elif key == "in_spec":
        yield from (f"its inputs name {name[:80]!r}" for name in names_of_kwargs(text) if not is_identifier(name))
    if not free and (found := complaint_of_text(key, text)) is not None:
        yield found


def _is_operator(target: str) -> bool:
    if _OPERATOR.fullmatch(target):
        return not _REFUSED.search(target.removeprefix("torch.ops."))
    return bool(_ARITHMETIC.fullmatch(target)) or _WORD.fullmatch(target) is not None


def _is_arithmetic(text: str) -> bool:
    """Whether an expression is made of numbers, symbols, operators and functions of sympy only."""
    return is_made_of(text, (ast.keyword, ast.Tuple), _is_harmless)


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
