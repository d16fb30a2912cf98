from __future__ import annotations

import sys
from pathlib import Path

import pytest
from torch import nn

from fc2conv_cli.errors import UsageError
from fc2conv_cli.frontends.pytorch.factory import importing_from, make

CODE = """
from torch import nn
class Net(nn.Linear):
    def __init__(self): super().__init__(4, 3)
class Needs(nn.Linear): pass
def function(): return nn.ReLU()
def wrong(): return 3
def fails(): raise RuntimeError("no\\nweights")
class Inner: Net = Net
instance = Net()
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "factory_code.py").write_text(CODE)
    (tmp_path / "factory_broken.py").write_text("import nothing_of_that_name")
    (tmp_path / "factory_raises.py").write_text("1 / 0")
    (tmp_path / "factory_exits.py").write_text("import sys; sys.exit(0)")
    return tmp_path


@pytest.mark.parametrize(
    ("name", "kind"), [("Net", "Net"), ("function", "ReLU"), ("Inner.Net", "Net"), ("instance", "Net")]
)
def test_classes_functions_and_modules(folder: Path, name: str, kind: str) -> None:
    with importing_from([folder]):
        made = make(f"factory_code:{name}")
    assert isinstance(made, nn.Module)
    assert type(made).__name__ == kind


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("factory_code", "is not package.module:factory"),
        (":Net", "is not package.module:factory"),
        ("factory_missing:Net", "No module named 'factory_missing'"),
        ("factory_broken:Net", "No module named 'nothing_of_that_name'"),
        ("factory_raises:Net", "importing factory_raises failed: ZeroDivisionError"),
        ("factory_exits:Net", "importing factory_exits failed: it ended itself with SystemExit"),
        ("factory_code:Nobody", "factory_code has no 'Nobody'"),
        ("factory_code:Needs", "the factory failed: TypeError"),
        ("factory_code:fails", "the factory failed: RuntimeError: no weights"),
        ("factory_code:wrong", "gives int, which is no torch.nn.Module"),
    ],
)
def test_factories_that_cannot_be_used(folder: Path, name: str, words: str) -> None:
    with pytest.raises(UsageError) as caught, importing_from([folder]):
        make(name)
    assert words in caught.value.message
    assert caught.value.hint


def test_the_search_path_is_as_before(folder: Path) -> None:
    before = list(sys.path)
    with importing_from([folder]):
        assert sys.path[0] == str(folder)
    assert sys.path == before
    with pytest.raises(UsageError, match="there is no such folder"), importing_from([folder / "none"]):
        pass
