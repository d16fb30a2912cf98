"""A run that could not do its work, as a report: a pipeline that collects reports must not find none, or an old one."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

from fc2conv_cli.errors import FC2ConvError, OutputFileError
from fc2conv_cli.reports.formats import JSON_VERSION, Format


@dataclass(frozen=True)
class ErrorReport:
    """Why there is no other report.

    Attributes:
        command: What was to be run.
        kind: Name of the error's class.
        message: What is wrong, and where.
        hint: What to do about it; may be empty.
        exit_code: That of the command.
    """

    command: str
    kind: str
    message: str
    hint: str
    exit_code: int

    @classmethod
    def of(cls, error: FC2ConvError, command: str) -> ErrorReport:
        """What a command raised."""
        if isinstance(error, SavedError):
            return error.report
        return cls(command, type(error).__name__, error.message, error.hint, error.exit_code)


class SavedError(FC2ConvError):
    """The error that a saved report tells of."""

    def __init__(self, report: ErrorReport) -> None:
        """The same message and hint."""
        super().__init__(report.message, hint=report.hint)
        self.report = report


def render(report: ErrorReport, output_format: Format) -> str:
    """The report in a format, ending in a newline."""
    return _RENDERERS[output_format](report)


def leave(report: ErrorReport, output_format: Format, output_file: Path | None, own: Iterable[Path]) -> str:
    """Write the report where a report was wanted, over none of the command's own files.

    Returns:
        What is to be printed instead, if no file was named.
    """
    summary = os.environ.get("GITHUB_STEP_SUMMARY")
    if output_format is Format.github and summary:
        _append(_markdown(report), Path(summary))
    if output_file is None:
        return "" if output_format is Format.text else render(report, output_format)
    from fc2conv_cli.reports.file import check, write

    try:
        check(output_file, list(own))
        write(output_file, render(report, output_format))
    except OutputFileError:
        return ""  # the error itself is told on stderr, and perhaps is just this one
    return ""


def _append(text: str, path: Path) -> None:
    try:
        with path.open("a", encoding="utf-8", errors="backslashreplace") as file:
            file.write(f"{text}\n")
    except OSError:
        return  # likewise


def _lines(report: ErrorReport) -> str:
    return f"{report.message}\n{report.hint}" if report.hint else report.message


def _text(report: ErrorReport) -> str:
    from fc2conv_cli.reports.printable import printable_lines

    return f"fc2conv {report.command}: no result\n{printable_lines(_lines(report))}\n"


def _json(report: ErrorReport) -> str:
    error: Mapping[str, Any] = {
        "kind": report.kind,
        "message": report.message,
        "hint": report.hint,
        "exit_code": report.exit_code,
    }
    return json.dumps({"version": JSON_VERSION, "command": report.command, "error": error}, indent=2) + "\n"


def _markdown(report: ErrorReport) -> str:
    from fc2conv_cli.reports.markdown_text import escaped

    said = (" ".join(map(escaped, part.split("\n"))) for part in (report.message, report.hint) if part)
    return "\n\n".join((f"### ❌ fc2conv {report.command}: no result", *said)) + "\n"


def _github(report: ErrorReport) -> str:
    from fc2conv_cli.reports.printable import printable_lines
    from fc2conv_cli.reports.workflow_commands import command

    return command("error", printable_lines(_lines(report)), title=f"fc2conv {report.command}: no result") + "\n"


def _junit(report: ErrorReport) -> str:
    from fc2conv_cli.reports.xml_text import document, xml_text

    counts = {"tests": "1", "failures": "0", "errors": "1", "skipped": "0"}
    root = ET.Element("testsuites", {"name": xml_text(report.message), **counts})
    suite = ET.SubElement(root, "testsuite", {"name": f"fc2conv.{report.command}", **counts})
    case = ET.SubElement(suite, "testcase", {"classname": f"fc2conv.{report.command}", "name": "no result"})
    error = ET.SubElement(case, "error", {"message": xml_text(report.message), "type": report.kind})
    error.text = xml_text(_lines(report))
    return document(root)


_RENDERERS = {
    Format.text: _text,
    Format.json: _json,
    Format.markdown: _markdown,
    Format.github: _github,
    Format.junit: _junit,
}
