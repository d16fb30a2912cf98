"""Modules that are imported when something asks for what is in them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = {
    "slow/__init__.py": "print('slow runs'); from slow.inner import VALUE; name = __name__",
    "slow/inner.py": "print('inner runs'); VALUE = 7",
    "uses.py": "import slow",
    "lone.py": "print('lone runs'); VALUE = 8",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in PACKAGE.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def printed(folder: Path, code: str) -> list[str]:
    defer = f"import sys; sys.path.insert(0, {str(folder)!r}); from fc2conv_cli.deferred import defer\n"
    code = f"{defer}defer(['slow', 'lone'])\n{code}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


@pytest.mark.parametrize("code", ["import slow", "import slow, uses, slow", "import uses; hasattr(uses, 'slow')"])
def test_importing_runs_nothing(code: str, folder: Path) -> None:
    assert printed(folder, f"{code}; print('end')") == ["end"]


@pytest.mark.parametrize(
    "code",
    [
        "import slow; slow.VALUE",
        "import slow; from slow import VALUE",
        "from slow import name",
        "import slow.inner",
        "import slow.inner as inner; import slow; assert slow.inner is inner",
        "from slow.inner import VALUE",
        "import slow; import slow.inner; slow.VALUE",
        "import slow; hasattr(slow, 'nothing'); slow.VALUE",
        "import slow; dir(slow); slow.VALUE",
    ],
)
def test_asking_runs_it_once(code: str, folder: Path) -> None:
    assert printed(folder, code) == ["slow runs", "inner runs"]


def test_a_module_that_is_loaded_is_like_any_other(folder: Path) -> None:
    asks = "import slow, lone; slow.VALUE; lone.VALUE\nprint(type(slow), type(slow.__loader__).__name__, slow.__path__)"
    *_, last = printed(folder, f"{asks}\nprint(slow.__spec__.loader is slow.__loader__, hasattr(lone, '__path__'))")
    assert last == "True False"
    assert printed(folder, asks)[-1] == f"<class 'module'> SourceFileLoader [{str(folder / 'slow')!r}]"


def test_what_is_not_in_it_is_an_attribute_error(folder: Path) -> None:
    code = "import lone\ntry: lone.nothing\nexcept AttributeError as error: print(error)"
    assert printed(folder, code) == ["lone runs", "module 'lone' has no attribute 'nothing'"]


def test_a_module_that_is_not_there_is_an_import_error(folder: Path) -> None:
    (folder / "lone.py").unlink()
    assert printed(folder, "try: import lone\nexcept ImportError as error: print(error)") == ["No module named 'lone'"]


def test_a_module_that_fails_fails_whenever_it_is_asked(folder: Path) -> None:
    (folder / "lone.py").write_text("print('lone runs'); 1 / 0")
    asks = "try: lone.VALUE\nexcept ZeroDivisionError as error: print(error)"
    assert printed(folder, f"import lone\n{asks}\n{asks}") == ["lone runs", "division by zero"] * 2


def test_threads_that_ask_at_once_load_it_once(folder: Path) -> None:
    code = (
        "import threading, slow\n"
        "found = []\n"
        "threads = [threading.Thread(target=lambda: found.append(slow.VALUE)) for _ in range(8)]\n"
        "for t in threads: t.start()\n"
        "for t in threads: t.join()\n"
        "print(found)"
    )
    assert printed(folder, code) == ["slow runs", "inner runs", str([7] * 8)]


def test_a_module_that_is_there_already_stays(folder: Path) -> None:
    code = "sys.meta_path.pop(0); import lone; defer(['lone']); import lone as again; print(again is lone)"
    assert printed(folder, code) == ["lone runs", "True"]
