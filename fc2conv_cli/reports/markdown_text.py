"""Text that Markdown shows as it is."""

from __future__ import annotations

import re

from fc2conv_cli.reports.printable import printable

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>()#|~!&$@])")


def escaped(text: str) -> str:
    """Names come from files: none is markup, a mention of somebody, or the end of a row."""
    return _SPECIAL.sub(r"\\\1", " ".join(printable(text).split()))
