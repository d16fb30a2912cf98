"""Where a report goes, and in which format, as options."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from fc2conv_cli.reports.formats import Format


@dataclass(frozen=True)
class Reporting:
    """How to report."""

    output_format: Annotated[Format, typer.Option(help="How to write the report.")] = Format.text
    output_file: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the report there, not to stdout.")] = (
        None
    )
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="No report on stdout; errors and the exit code only.")
    ] = False
    verbose: Annotated[
        bool,
        typer.Option("--verbose", "-v", help="All rows of long tables, seconds, and what PyTorch prints (on stderr)."),
    ] = False

    @property
    def silent(self) -> bool:
        """Whether there is no report."""
        return self.quiet and self.output_file is None

    def check(self, *models: Path | None) -> None:
        """Refuse a report file that cannot be written, or that is a model, before any work is done.

        Raises:
            FC2ConvError: It is one.
        """
        if self.output_file is not None:
            from fc2conv_cli.reports.file import check

            check(self.output_file, [path for path in models if path is not None])
