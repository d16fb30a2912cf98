"""The records for GitHub Actions: annotations as workflow commands, and Markdown for the job's summary."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from fc2conv_cli.errors import OutputFileError
from fc2conv_cli.reports.cases import Case, Report, cases, headline, passed
from fc2conv_cli.reports.markdown_report import render as render_markdown


def render(report: Report) -> str:
    """One annotation for each case that did not pass, and one for the whole. The runner reads them from stdout."""
    lines = [_annotation(case) for case in _telling(report)]
    whole = command("notice" if passed(report) else "error", headline(report), title="fc2conv")
    return "".join(f"{line}\n" for line in (*lines, whole))


def append_summary(report: Report, path: Path) -> None:
    """Add the report to the file that GitHub names in ``GITHUB_STEP_SUMMARY``.

    Raises:
        OutputFileError: The system refuses it.
    """
    try:
        with path.open("a", encoding="utf-8") as file:
            file.write(render_markdown(report) + "\n")
    except OSError as error:
        problem = f"the job's summary cannot be written ({error.strerror})"
        raise OutputFileError(path, problem, hint="GITHUB_STEP_SUMMARY names it; unset it to do without.") from error


def command(kind: str, message: str, **properties: str) -> str:
    """A workflow command: ``::error title=what::message``, escaped as the runner unescapes it."""
    listed = ",".join(f"{name}={_property(value)}" for name, value in properties.items())
    return f"::{kind} {listed}::{_data(message)}"


def _telling(report: Report) -> Iterator[Case]:
    """What did not pass, failures first: GitHub shows ten annotations of a kind."""
    found = cases(report)
    yield from (case for case in found if case.outcome == "failed" and case.suite != "conversion")
    yield from (case for case in found if case.outcome == "skipped")


def _annotation(case: Case) -> str:
    kind = "error" if case.outcome == "failed" else "notice"
    return command(kind, "\n".join((case.message, *case.details)), title=f"fc2conv: {case.suite}, {case.name}")


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
