"""The records as JUnit XML, which every CI service shows: a test case for each output, and for each layer."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import groupby
from xml.etree import ElementTree as ET

from fc2conv_cli.reports.cases import Case, Report, cases, headline

_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 has no way to write, not even escaped."""


def render(report: Report) -> str:
    """A report as JUnit XML, ending in a newline."""
    found = cases(report)
    root = ET.Element("testsuites", {"name": _text(headline(report)), **_counts(found)})
    for suite, members in groupby(found, key=lambda case: case.suite):
        _suite(root, suite, list(members))
    ET.indent(root)
    return f'<?xml version="1.0" encoding="utf-8"?>\n{ET.tostring(root, encoding="unicode")}\n'


def _suite(root: ET.Element, name: str, members: Sequence[Case]) -> None:
    suite = ET.SubElement(root, "testsuite", {"name": f"fc2conv.{name}", **_counts(members)})
    for case in members:
        element = ET.SubElement(suite, "testcase", {"classname": f"fc2conv.{name}", "name": _text(case.name)})
        lines = _text("\n".join((case.message, *case.details)))
        if case.outcome == "failed":
            ET.SubElement(element, "failure", {"message": _text(case.message), "type": name}).text = lines
        elif case.outcome == "skipped":
            ET.SubElement(element, "skipped", {"message": _text(case.message)}).text = lines
        else:
            ET.SubElement(element, "system-out").text = lines


def _counts(found: Sequence[Case]) -> dict[str, str]:
    outcomes = [case.outcome for case in found]
    return {
        "tests": str(len(outcomes)),
        "failures": str(outcomes.count("failed")),
        "errors": "0",
        "skipped": str(outcomes.count("skipped")),
    }


def _text(text: str) -> str:
    """Names come from files, and may hold anything."""
    return _NOT_XML.sub("\ufffd", text)
