"""A command that leaves a report of the error, too, where one of its result was wanted."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from fc2conv_cli.errors import FC2ConvError
from fc2conv_cli.reports.error_report import ErrorReport, leave
from fc2conv_cli.reports.formats import Format
from fc2conv_cli.settings.command import ConfiguredCommand


class ReportingCommand(ConfiguredCommand):
    """A command with ``--output-format`` and ``--output-file``; message and exit code of an error stay as they are."""

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        """Parse; what cannot be parsed is read as far as it says where the report is to go."""
        given = list(args)
        try:
            return super().make_context(info_name, args, parent, **extra)
        except Exception as error:
            report = _report_of(error, info_name or "")
            if report is not None and not extra.get("resilient_parsing"):
                lenient = dict.fromkeys(("resilient_parsing", "ignore_unknown_options", "allow_extra_args"), True)
                ctx = super().make_context(info_name, given, parent, **extra, **lenient)
                _leave(report, {**ctx.params, "more": [Path(word) for word in ctx.args]})
            raise

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except FC2ConvError as error:
            _leave(ErrorReport.of(error, ctx.info_name), ctx.params)
            raise


def _report_of(error: Exception, command: str) -> ErrorReport | None:
    """Our own errors, and those of the parser of arguments; None for what is no error, as to show the help."""
    if isinstance(error, FC2ConvError):
        return ErrorReport.of(error, command)
    said = getattr(error, "format_message", None)
    if said is None:
        return None
    return ErrorReport(command, "UsageError", said(), f"`fc2conv {command} --help` lists the options.", 2)


def _leave(report: ErrorReport, params: Mapping[str, Any]) -> None:
    output_file = params.get("output_file")
    own = [path for name, value in params.items() if name != "output_file" for path in _paths(value)]
    text = leave(report, params.get("output_format") or Format.text, output_file, own)
    if text and not params.get("quiet"):
        try:
            sys.stdout.write(text)
            sys.stdout.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _paths(value: Any) -> Iterator[Path]:
    for item in value if isinstance(value, list | tuple) else [value]:
        if isinstance(item, Path):
            yield item
