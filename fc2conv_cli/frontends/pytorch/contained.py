"""Keeps the user's code from ending this program: what it raises to leave is an error like any other."""

from __future__ import annotations

from types import TracebackType


class LeftError(Exception):
    """The user's code raised what is meant to end the program."""


class contained:  # noqa: N801  used as a function is
    """Within this block, ``SystemExit`` and its like become a `LeftError`; Ctrl-C and signals do not."""

    def __enter__(self) -> None:
        """Nothing to prepare."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Turn what is no `Exception` into one."""
        if error is None or isinstance(error, Exception | KeyboardInterrupt) or _is_of_signal(error, trace):
            return
        said = " ".join(str(error).split())[:200]
        raise LeftError(f"it ended itself with {type(error).__name__}" + (f" ({said})" if said else "")) from error


def _is_of_signal(error: BaseException, trace: TracebackType | None) -> bool:
    """Whether it was our own handler of signals that raised it, wherever the user's code was by then."""
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    name = trace.tb_frame.f_globals.get("__name__") if trace is not None else None
    return isinstance(error, SystemExit) and name == "fc2conv_cli.cli"
