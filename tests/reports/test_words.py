"""The same words in every format."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from samples import by_layer, different, ill_conditioned, nothing_compared, without_an_output, written

from fc2conv_cli.reports import words
from fc2conv_cli.reports.formats import Format, render
from fc2conv_cli.verification.report import VerifyReport

PLAIN = {"width": None, "color": False}


@pytest.fixture(scope="module")
def wrong(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return by_layer(tmp_path_factory.mktemp("wrong"))


def plain(text: str) -> str:
    """Without the escapes of XML, Markdown and workflow commands."""
    for code, character in (("&gt;", ">"), ("\\", ""), ("%0A", "\n"), ("%2C", ","), ("%3A", ":")):
        text = text.replace(code, character)
    return text


@pytest.mark.parametrize("output_format", [f for f in Format if f is not Format.json])
def test_the_first_layer_and_the_inputs_are_in_every_format(wrong: Any, output_format: Format) -> None:
    text = plain(render(wrong, output_format, verbose=False, **PLAIN))
    assert "first layer that diverges: MatMul2: MatMul+Add -> Conv 1x1, [" in text
    assert "ompared in onnxruntime: 3 runs, seed 0 at N=1; N=3; N=5" in text
    given = plain(render(replace(wrong, data=Path("in.npz")), output_format, verbose=False, **PLAIN))
    assert "ompared in onnxruntime: 3 runs, inputs from in.npz" in given


def test_junit_has_the_figures_and_the_circumstances(wrong: Any) -> None:
    root = ET.fromstring(render(wrong, Format.junit, verbose=False, **PLAIN))

    def properties(path: str) -> dict[str, str]:
        return {str(p.get("name")): str(p.get("value")) for p in root.findall(f"{path}/properties/property")}

    suite = properties("testsuite")
    assert (suite["seed"], suite["runs"], suite["first_to_diverge"]) == ("0", "3", "MatMul2")
    figures = properties("testsuite/testcase")
    assert figures == words.figures(wrong.outputs[0])
    assert figures["ULP"] == str(wrong.outputs[0].measures.max_ulp)
    failure = root.find("testsuite/testcase/failure")
    assert failure is not None
    assert "first layer that diverges: MatMul2" in str(failure.text)


def test_markdown_lists_the_layers_that_are_off_or_all(wrong: Any) -> None:
    text = render(wrong, Format.markdown, verbose=False, **PLAIN)
    assert "2 of 3 outside of tolerance" in text
    assert "| MatMul2 |" in text
    assert "| Gemm0 |" not in text
    assert "| Gemm0 |" in render(wrong, Format.markdown, verbose=True, **PLAIN)
    assert "SQNR" in text


def test_github_names_the_layer_in_an_annotation_of_its_own(wrong: Any, tmp_path: Path) -> None:
    lines = render(wrong, Format.github, verbose=False, **PLAIN).splitlines()
    assert [line.split("::")[1] for line in lines] == [
        "error title=fc2conv%3A outputs%2C y",
        "error title=fc2conv%3A layer%2C MatMul2",
        "error title=fc2conv",
    ]
    loose = by_layer(tmp_path, outputs={"y": (9.0, None)})
    assert loose.passed
    lines = render(loose, Format.github, verbose=False, **PLAIN).splitlines()
    assert lines[0].startswith("::warning title=fc2conv%3A layer%2C MatMul2::first layer that diverges: ")
    assert "the outputs agree all the same" in lines[0]
    assert lines[1].startswith("::warning title=fc2conv%3A outputs%2C y::output 'y': all values are within atol")
    assert lines[-1].startswith("::notice ")


@pytest.mark.parametrize("output_format", [f for f in Format if f is not Format.json])
@pytest.mark.parametrize("accepted", [False, True])
def test_advice_is_given_until_it_was_taken(tmp_path: Path, output_format: Format, accepted: bool) -> None:
    report = ill_conditioned(tmp_path, accept_ill_conditioned=accepted)
    text = plain(render(report, output_format, verbose=False, **PLAIN))
    assert "no more than 2.5 times" in text
    assert ("Give inputs like those in use" in text) != accepted
    assert ("; accepted (--accept-ill-conditioned)" in text) == accepted
    assert ("would pass with --rtol" in text or "rtol needed to pass" in text) != accepted


def test_what_was_accepted_is_a_warning(tmp_path: Path) -> None:
    report = ill_conditioned(tmp_path, accept_ill_conditioned=True)
    first, last = render(report, Format.github, verbose=False, **PLAIN).splitlines()
    assert first.startswith("::warning title=fc2conv%3A outputs%2C y::")
    assert last.startswith("::notice title=fc2conv::")
    assert "the same, ILL-CONDITIONED as accepted" in last


def test_the_verdict(tmp_path: Path) -> None:
    assert words.verdict(different(tmp_path)) == "DIFFERENT"
    assert words.verdict(different(tmp_path, 1.0)) == "the same"
    assert words.verdict(ill_conditioned(tmp_path)) == "ILL-CONDITIONED"
    nothing = different(tmp_path, 1.0)
    nothing = replace(nothing, outputs=tuple(replace(o, compared=False) for o in nothing.outputs))
    assert words.verdict(nothing).startswith("NOTHING COMPARED")


def milder(report: VerifyReport, excess: float | None = 10.0) -> VerifyReport:
    """The same, as if what differs were so many times the noise."""
    return replace(report, outputs=tuple(replace(output, excess=excess) for output in report.outputs))


@pytest.mark.parametrize("output_format", [f for f in Format if f is not Format.json])
def test_a_tolerance_that_hides_a_fault_is_not_offered(tmp_path: Path, output_format: Format) -> None:
    report = different(tmp_path, 1.0005)
    assert report.outputs[0].excess is not None
    assert report.outputs[0].excess > 16

    def offered(shown: VerifyReport) -> bool:
        text = plain(render(shown, output_format, verbose=False, **PLAIN))
        return "would pass with --rtol" in text or "rtol needed to pass" in text

    assert not offered(report)
    assert offered(milder(report))
    assert offered(milder(report, None))
    assert json.loads(render(report, Format.json, verbose=False, **PLAIN))["outputs"][0]["rtol_to_pass"] > 1e-5


def test_what_would_pass_is_enough_and_says_what_is_in_force(tmp_path: Path) -> None:
    said = words.what_would_pass(milder(different(tmp_path, 1.0005)))
    assert re.fullmatch(r"all outputs would pass with --rtol 0\.000\d+; now it is 1e-05", said)
    assert different(tmp_path, 1.0005, rtol=float(said.split()[6].rstrip(";"))).passed


def test_no_tolerance_is_offered_that_is_many_times_what_is_in_force(tmp_path: Path) -> None:
    def offered(factor: float, **settings: float) -> str:
        return words.what_would_pass(milder(different(tmp_path, factor, **settings)))

    assert offered(1.01) == ""
    assert offered(1.01, rtol=1e-3).startswith("all outputs would pass")
    assert offered(1.01, rtol=0.0, atol=1e-2).startswith("all outputs would pass")
    assert offered(1.01, rtol=0.0, atol=0.0) == ""
    assert offered(9.0) == ""
    assert words.what_would_pass(different(tmp_path, 1.0)) == ""
    assert float(words.rounded_up(0.123)) >= 0.123
    assert words.rounded_up(0.0) == "0"


def test_which_layer_is_asked_for_where_it_helps(tmp_path: Path, wrong: Any) -> None:
    assert "--per-layer" in words.which_layer(different(tmp_path))
    assert words.which_layer(wrong) == ""
    assert words.which_layer(different(tmp_path, 1.0)) == ""
    assert words.which_layer(ill_conditioned(tmp_path)) == ""
    verification = written(tmp_path).verification
    assert words.which_layer(verification) == ""


def test_units_in_the_last_place_are_whole_numbers(wrong: Any) -> None:
    assert type(wrong.outputs[0].measures.max_ulp) is int
    assert '"max_ulp": ' in (text := render(wrong, Format.json, verbose=False, **PLAIN))
    assert "." not in text.split('"max_ulp": ')[1].split(",")[0]


def test_where_nothing_ran_that_is_said(tmp_path: Path) -> None:
    assert words.ran(without_an_output(tmp_path)) == "no run was compared (onnxruntime)"


def test_no_format_calls_the_same_what_was_not_compared(tmp_path: Path) -> None:
    report = nothing_compared(tmp_path)
    for fmt in (Format.text, Format.markdown):
        text = render(report, fmt, **PLAIN, verbose=True)
        assert "not compared" in text
        assert not re.search(r"\bsame\b", text)
    assert 'failures="1"' in render(report, Format.junit, **PLAIN, verbose=False)
    annotations = render(report, Format.github, **PLAIN, verbose=False)
    assert annotations.startswith("::error title=fc2conv%3A outputs%2C y::output 'y' (float32) was not compared")
