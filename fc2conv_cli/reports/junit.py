"""The records as JUnit XML, which every CI service shows: a test case for each output, and for each layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from xml.etree import ElementTree as ET

from fc2conv_cli.reports.cases import Case, Report, cases, comparisons, headline
from fc2conv_cli.reports.words import by_layer, costs, ran
from fc2conv_cli.reports.xml_text import document, xml_text
from fc2conv_cli.verification.report import VerifyReport


def render(report: Report) -> str:
    """A report as JUnit XML, ending in a newline."""
    found = cases(report)
    root = ET.Element("testsuites", {"name": xml_text(headline(report)), **_counts(found)})
    for suite, members in groupby(found, key=lambda case: case.suite):
        _suite(root, suite, list(members), comparisons(report).get(suite))
    return document(root)


def _suite(root: ET.Element, name: str, members: Sequence[Case], compared: VerifyReport | None) -> None:
    suite = ET.SubElement(root, "testsuite", {"name": f"fc2conv.{name}", **_counts(members)})
    if compared is not None:
        _properties(suite, _circumstances(compared))
    for case in members:
        element = ET.SubElement(suite, "testcase", {"classname": f"fc2conv.{name}", "name": xml_text(case.name)})
        _properties(element, case.figures)
        lines = xml_text("\n".join((case.message, *case.details)))
        if case.outcome == "failed":
            ET.SubElement(element, "failure", {"message": xml_text(case.message), "type": name}).text = lines
        elif case.outcome == "skipped":
            ET.SubElement(element, "skipped", {"message": xml_text(case.message)}).text = lines
        else:
            ET.SubElement(element, "system-out").text = lines
    if compared is not None:
        said = (ran(compared), *costs(compared), *by_layer(compared), *compared.notes)
        ET.SubElement(suite, "system-out").text = xml_text("\n".join(said))


def _circumstances(report: VerifyReport) -> dict[str, str]:
    """On what and in what the models were compared; the names are for machines."""
    inputs = {"seed": str(report.seed)} if report.data is None else {"inputs": str(report.data)}
    layers = report.per_layer
    first = {} if layers is None or layers.first is None else {"first_to_diverge": layers.first.name}
    models = {"original": str(report.original), "converted": str(report.converted)}
    return {**models, "engine": report.engine, "runs": str(report.runs), **inputs, **first}


def _properties(parent: ET.Element, values: Mapping[str, str]) -> None:
    if values:
        listed = ET.SubElement(parent, "properties")
        for name, value in values.items():
            ET.SubElement(listed, "property", {"name": name, "value": xml_text(value)})


def _counts(found: Sequence[Case]) -> dict[str, str]:
    outcomes = [case.outcome for case in found]
    return {
        "tests": str(len(outcomes)),
        "failures": str(outcomes.count("failed")),
        "errors": "0",
        "skipped": str(outcomes.count("skipped")),
    }
