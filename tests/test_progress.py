from __future__ import annotations

import io
import os
import pty
import time
from pathlib import Path
from typing import TextIO

import pytest

from fc2conv_cli.progress import following


@pytest.fixture
def terminal() -> tuple[int, TextIO]:
    master, slave = pty.openpty()
    os.set_blocking(master, False)
    return master, open(slave, "w")  # noqa: PTH123


def _shown(master: int) -> str:
    try:
        return os.read(master, 1 << 20).decode()
    except BlockingIOError:
        return ""


def test_a_stage_that_takes_long_is_shown(terminal: tuple[int, TextIO], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    master, stream = terminal
    with following(stream, patience=0.01) as watch, watch("verify"):
        watch.done(0.5)
        time.sleep(1.0)
    assert "verify" in _shown(master)
    assert list(watch.seconds) == ["verify"]


def test_what_is_quick_leaves_no_trace(terminal: tuple[int, TextIO]) -> None:
    master, stream = terminal
    with following(stream, patience=60) as watch, watch("verify"):
        pass
    assert _shown(master) == ""


def test_nothing_is_shown_where_there_is_no_terminal(tmp_path: Path) -> None:
    for stream in (io.StringIO(), (tmp_path / "log").open("w")):
        with following(stream, patience=0) as watch, watch("verify"):
            time.sleep(0.05)
        assert stream.tell() == 0


def test_an_error_goes_through(terminal: tuple[int, TextIO]) -> None:
    with pytest.raises(ZeroDivisionError), following(terminal[1], patience=0) as watch, watch("verify"):
        raise ZeroDivisionError
