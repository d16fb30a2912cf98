"""A generated part of a page, between two markers."""

from __future__ import annotations

from pathlib import Path

HEADING = "## Beside other tools"
BEGIN, END = "<!-- written by python -m benchmarks -->", "<!-- end of what is written by python -m benchmarks -->"


def put(path: Path, text: str, begins: str = BEGIN, ends: str = END, heading: str = HEADING) -> None:
    """Replace what stands between the markers; without them, or without a page, add a section at the end."""
    page = path.read_text() if path.exists() else "# Performance\n"
    block = f"{begins}\n{text.strip()}\n{ends}"
    before, begin, rest = page.partition(begins)
    _, end, after = rest.partition(ends)
    if begin and end:
        path.write_text(before + block + after)
    else:
        path.write_text(f"{page.rstrip()}\n\n{heading}\n{block}\n")
