"""The records for GitHub Actions: annotations as workflow commands, and Markdown for the job's summary."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from fc2conv_cli.errors import OutputFileError
from fc2conv_cli.reports import words
from fc2conv_cli.reports.cases import Case, Report, cases, comparisons, headline, passed
from fc2conv_cli.reports.markdown_report import render as render_markdown
from fc2conv_cli.reports.printable import printable
from fc2conv_cli.reports.workflow_commands import command
from fc2conv_cli.verification.report import VerifyReport


def render(report: Report) -> str:
    """One annotation for each case that did not pass, each note on one that did, and one for the whole, on stdout."""
    lines = [*map(_annotation, _telling(report)), *_first_layer(report), *_noted(report)]
    said = [headline(report), *(words.ran(compared) for compared in comparisons(report).values())]
    if isinstance(report, VerifyReport):
        said += [line for line in (words.what_would_pass(report), words.which_layer(report)) if line]
    whole = _command("notice" if passed(report) else "error", said, "fc2conv")
    return "".join(f"{line}\n" for line in (*lines, whole))


def append_summary(report: Report, path: Path, *, verbose: bool = False) -> None:
    """Add the report to the file that GitHub names in ``GITHUB_STEP_SUMMARY``.

    Raises:
        OutputFileError: The system refuses it.
    """
    try:
        with path.open("a", encoding="utf-8", errors="backslashreplace") as file:
            file.write(render_markdown(report, verbose=verbose) + "\n")
    except OSError as error:
        problem = f"the job's summary cannot be written ({error.strerror})"
        raise OutputFileError(path, problem, hint="GITHUB_STEP_SUMMARY names it; unset it to do without.") from error


def _telling(report: Report) -> Iterator[Case]:
    """What did not pass as it should, failures first: GitHub shows ten annotations of a kind."""
    found = cases(report)
    yield from (case for case in found if case.outcome == "failed" and case.suite != "conversion")
    yield from (case for case in found if case.accepted)
    yield from (case for case in found if case.outcome == "skipped")


def _annotation(case: Case) -> str:
    kind = "error" if case.outcome == "failed" else "warning" if case.accepted else "notice"
    return _command(kind, (case.message, *case.details), f"fc2conv: {case.suite}, {case.name}")


def _noted(report: Report) -> Iterator[str]:
    """What is noted of the outputs that passed; with the others it stands in their own annotations."""
    good = {(case.suite, case.name) for case in cases(report) if case.outcome == "passed" and not case.accepted}
    for suite, compared in comparisons(report).items():
        for output in compared.outputs:
            for note in output.notes if (suite, output.name) in good else ():
                kind = "warning" if words.is_of_little_worth(note) else "notice"
                yield _command(kind, [f"output {output.name!r}: {note}"], f"fc2conv: {suite}, {output.name}")


def _command(kind: str, lines: Iterable[str], title: str) -> str:
    """A command of lines that stay lines: the runner writes what it unescapes into the log."""
    return command(kind, "\n".join(map(printable, lines)), title=printable(title))


def _first_layer(report: Report) -> Iterator[str]:
    """The first layer that diverges, as an error where the outputs differ, and a warning where they do not."""
    for compared in comparisons(report).values():
        if compared.per_layer is not None and (first := compared.per_layer.first) is not None:
            kind = "warning" if compared.agrees else "error"
            yield _command(kind, words.by_layer(compared), f"fc2conv: layer, {first.name}")
