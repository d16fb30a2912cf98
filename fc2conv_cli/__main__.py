"""The process of the command line: ``fc2conv``, ``python -m fc2conv_cli``."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import NoReturn


def run() -> NoReturn:
    """Run the command line and end the process.

    It ends at once, since nobody needs the memory any more: taking millions of objects apart takes Python seconds.
    """
    try:
        from fc2conv_cli.timing import START

        START.note()
        from fc2conv_cli.cli import main  # Ctrl-C while this is imported is no fault either
        from fc2conv_cli.deferred import SLOW, defer

        defer(SLOW)

        main()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except KeyboardInterrupt:
        from fc2conv_cli.interruption import message

        code = 130
        with contextlib.suppress(AttributeError, OSError):  # no stderr
            sys.stderr.write(message())
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, OSError, ValueError):  # whoever writes says what could not be written
            stream.flush()
    os._exit(code)


if __name__ == "__main__":
    run()
