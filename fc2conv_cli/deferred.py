"""Modules that are imported when something asks for what is in them, and not before.

`onnx_ir` imports SymPy, which takes longer than converting a small model and is needed for symbolic dims only. What
`importlib.util.LazyLoader` offers does not do: up to Python 3.12 a second import statement loads the module already.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Collection, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any

SLOW = frozenset({"sympy", "onnx_ir._symbolic_shapes"})
"""SymPy, and the module of onnx_ir that reads it as it is imported."""

_LOADER = "fc2conv's loader"
_lock = threading.RLock()


def defer(names: Collection[str]) -> None:
    """Import these modules late, wherever they are imported. Those that are there already stay as they are."""
    sys.meta_path.insert(0, _Finder(frozenset(names)))


class _Finder(MetaPathFinder):
    def __init__(self, names: frozenset[str]) -> None:
        self._names = names

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The module's own spec with another loader.

        An import of a submodule loads the deferred module on its way, which may have imported that submodule itself.
        """
        if target is None and fullname.rpartition(".")[0] in self._names and fullname in sys.modules:
            return ModuleSpec(fullname, _Present())
        spec = PathFinder.find_spec(fullname, path, target) if fullname in self._names else None
        if spec is not None and spec.loader is not None:
            spec.loader = _Loader(spec.loader)
        return spec


class _Loader(Loader):
    def __init__(self, loader: Loader) -> None:
        self._loader = loader

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return _Deferred(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        module.__dict__.pop("__path__", None)  # so that an import of a submodule asks for it, and loads the module
        module.__dict__[_LOADER] = self._loader


class _Present(Loader):
    """Of a module that was imported meanwhile."""

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return sys.modules[spec.name]

    def exec_module(self, module: ModuleType) -> None:
        """It has run."""


class _Deferred(ModuleType):
    """A module without its contents, and without `__path__`."""

    def __getattr__(self, name: str) -> Any:
        """Load the module, which then is like any other, and look again."""
        with _lock:  # another thread waits until all of it is there; this one may come back from inside the module
            loader = self.__dict__.pop(_LOADER, None)
            if loader is not None:
                _load(self, loader)
        if type(self) is _Deferred and name not in self.__dict__:
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        return getattr(self, name)


def _load(module: ModuleType, loader: Loader) -> None:
    assert module.__spec__ is not None  # the import system gives one to every module
    module.__spec__.loader = module.__loader__ = loader
    if module.__spec__.submodule_search_locations is not None:
        module.__path__ = module.__spec__.submodule_search_locations
    try:
        loader.exec_module(module)
    except BaseException:  # whoever asks next tries again
        module.__dict__[_LOADER] = loader
        raise
    module.__class__ = ModuleType
