"""A generated part of a page, between two markers."""

from __future__ import annotations

from pathlib import Path

HEADING = "## Beside other tools"
BEGIN, END = "<!-- written by python -m benchmarks -->", "<!-- end of what is written by python -m benchmarks -->"


def put(path: Path, text: str) -> None:
    """Replace what stands between the markers; without them, or without a page, add a section at the end."""
    page = path.read_text() if path.exists() else "# Performance\n"
    block = f"{BEGIN}\n{text.strip()}\n{END}"
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if begin and end:
        path.write_text(before + block + after)
    else:
        path.write_text(f"{page.rstrip()}\n\n{HEADING}\n{block}\n")
