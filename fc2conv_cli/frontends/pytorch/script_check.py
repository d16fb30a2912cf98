"""Looks through the source of a TorchScript archive for what does more than compute.

PyTorch compiles that source, and some of it runs while the archive is loaded. The source that PyTorch itself writes is
narrow: names, numbers, strings in double quotes. What is spelled otherwise is refused, and so is every operator that is
not known to compute only.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator

import torch

_TOUCHES_FILES = re.compile(r"\.\s*(save|load|from_file|_save\w*)\b")
_CLASSES = re.compile(r"__torch__\.torch\.classes\.(?!(?:quantized|xnnpack|mkldnn|sparse)\.)[\w.]+")
"""Classes written in C++, apart from those that hold packed weights: what they do is not TorchScript's to say."""
_OTHER_CLASSES = re.compile(r"(?<!__torch__\.torch\.)\bclasses\b")
"""The name of where they are, which is not to be had in two steps."""
_NO_CODE = re.compile(r"#[^\n]*|\\\r?\n")
_STRING = re.compile(r'"((?:[^"\\\n]|\\.)*)"')
_SPELLED = re.compile(r'[\w\s.,()\[\]{}:=<>+\-*/%&|^~@!"]*', re.ASCII)
_GETATTR = re.compile(r'\bgetattr\((?!(?:torch|__torch__|ops|CONSTANTS)\b)[A-Za-z_]\w*, "([A-Za-z0-9_]*)"\)')
_GETATTRS = re.compile(r"\bgetattr\b")
_LIBRARY = re.compile(r"(?<![\w.])(torch|ops)\b(?:\.(\w+)\b)?(?:\.(\w+)\b)?")
_LIBRARIES = frozenset(
    {
        *("aten", "prim", "prims", "quantized", "_quantized", "mkldnn", "mkldnn_prepacked", "onednn", "sparse"),
        *("torchvision", "onnx"),
    }
)
_NOT_OPERATORS = frozenset({"save", "load", "from_file", "_print", "Print", "TimePoint", "profile", "profile_ivalue"})
_WORDS = frozenset({"device", "dtype", "layout", "Tensor", "wait", "fork", "jit"})
"""What is spelled ``torch.x`` and is no operator: types, and the syntax of futures."""


def complaints(source: str) -> Iterator[str]:
    """What in a source could do more than compute, in words."""
    for code in (source, _NO_CODE.sub("", source)):  # as it is, and without what may stand between two words
        for match in _TOUCHES_FILES.finditer(_STRING.sub('""', code)):
            yield f"its program reads or writes files: it calls {match[1]}"
        for match in _CLASSES.finditer(code):
            yield f"its program uses the class {match[0]}"
    yield from _of_getattr(source)
    code = _STRING.sub('""', source)
    odd = not _SPELLED.fullmatch(code) or '"' in code.replace('""', "") or '"""' in code
    if odd or _OTHER_CLASSES.search(code):
        yield "its program is not spelled as PyTorch spells them"
    for match in _LIBRARY.finditer(code):
        if not _computes(match[1], match[2], match[3]):
            yield f"its program uses {match[0]}, which is not known to compute only"


def class_complaint(name: str) -> str | None:
    """What is wrong with a class of which a pickle in the archive holds an object."""
    return f"it holds an object of the class {name}" if _CLASSES.fullmatch(name) else None


def _of_getattr(source: str) -> Iterator[str]:
    """Attributes of modules, whose names are no names in Python, are got by ``getattr``: nothing else is."""
    code = re.sub(r'(?<!, )"(?:[^"\\\n]|\\.)*"', '""', source)
    if len(_GETATTRS.findall(code)) != len(_GETATTR.findall(code)):
        yield "its program gets an attribute in a way that PyTorch does not spell"
    for name in _GETATTR.findall(code):
        if name in _NOT_OPERATORS or name == "classes":
            yield f"its program gets the attribute {name}"


def _computes(what: str, first: str | None, second: str | None) -> bool:
    if first is None:
        return False  # the library as a value, whose functions could then have any name
    if what == "torch":
        return second is None and (first in _WORDS or _is_operator("aten", first) or _is_operator("prim", first))
    return first in _LIBRARIES and second is not None and _is_operator(first, second)


def _is_operator(library: str, name: str) -> bool:
    return f"{library}::{name}" in _operators() and name not in _NOT_OPERATORS


@functools.cache
def _operators() -> frozenset[str]:
    return frozenset(schema.name for schema in torch._C._jit_get_all_schemas())
