"""The formats of reports, by the name that ``--output-format`` gives them; each is imported when it is asked for."""

from __future__ import annotations

import os
from collections.abc import Callable
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fc2conv_cli.reports.cases import Report


JSON_VERSION = 1
"""Raised when a field changes its meaning or goes; new fields do not raise it."""


class Format(StrEnum):
    """How a report is written."""

    text = "text"
    json = "json"
    markdown = "markdown"
    junit = "junit"
    github = "github"


def render(report: Report, output_format: Format, *, width: int | None, color: bool, verbose: bool) -> str:
    """A report in a format.

    Args:
        report: Any of the three reports.
        output_format: How to write it.
        width: As for `fc2conv_cli.reports.console.render`, and only for it.
        color: Likewise.
        verbose: Whether to list every layer, as text and as Markdown.
    """
    return renderer(output_format, width=width, color=color, verbose=verbose)(report)


def renderer(
    output_format: Format, *, width: int | None = None, color: bool = False, verbose: bool = False
) -> Callable[[Report], str]:
    """What writes a report in a format; it is imported now. The arguments are those of `render`."""
    if output_format is Format.json:
        from fc2conv_cli.reports.json import render as render_json

        return render_json
    if output_format is Format.markdown:
        from fc2conv_cli.reports.markdown_report import render as render_markdown

        return partial(render_markdown, verbose=verbose)
    if output_format is Format.junit:
        from fc2conv_cli.reports.junit import render as render_junit

        return render_junit
    if output_format is Format.github:
        from fc2conv_cli.reports.github import render as render_github

        return render_github
    from fc2conv_cli.reports.console import render as render_text

    return partial(render_text, width=width, color=color, verbose=verbose)


def add_to_job(report: Report, output_format: Format, *, verbose: bool = False) -> None:
    """What a format does beside what it prints: ``github`` adds to the summary of the job, where there is one."""
    named = os.environ.get("GITHUB_STEP_SUMMARY")
    if output_format is Format.github and named:
        from fc2conv_cli.reports.github import append_summary

        append_summary(report, Path(named), verbose=verbose)
