from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as ET

from samples import NASTY, different, inspected, left, written

from fc2conv_cli.reports.junit import render


def test_one_test_case_an_output(tmp_path: Path) -> None:
    root = ET.fromstring(render(different(tmp_path)))
    assert root.tag == "testsuites"
    assert (root.get("tests"), root.get("failures"), root.get("skipped")) == ("1", "1", "0")
    case = root.find("testsuite/testcase")
    assert case is not None
    assert (case.get("classname"), case.get("name")) == ("fc2conv.outputs", "y")
    failure = case.find("failure")
    assert failure is not None
    assert "max |delta|" in str(failure.get("message"))
    assert "original 5.019634, converted 7.529452" in str(failure.text)


def test_what_passed_has_no_failure_and_the_counts_add_up(tmp_path: Path) -> None:
    root = ET.fromstring(render(written(tmp_path)))
    assert root.get("failures") == "0"
    assert root.find(".//failure") is None
    assert [s.get("name") for s in root] == ["fc2conv.layers", "fc2conv.outputs", "fc2conv.conversion"]
    assert (
        int(str(root.get("tests"))) == sum(int(str(s.get("tests"))) for s in root) == len(root.findall(".//testcase"))
    )


def test_a_layer_that_stays(tmp_path: Path) -> None:
    refused = ET.fromstring(render(left(tmp_path))).find(".//testcase[@name='fc']/failure")
    assert refused is not None
    assert "FC2C-OVERRIDABLE-WEIGHT" in str(refused.get("message"))
    seen = ET.fromstring(render(inspected(tmp_path))).find(".//testcase[@name='fc']/skipped")
    assert seen is not None
    assert "--freeze-inputs" in str(seen.text)


def test_any_name_gives_xml(tmp_path: Path) -> None:
    root = ET.fromstring(render(inspected(tmp_path, NASTY)))
    case = root.find(".//testcase")
    assert case is not None
    assert case.get("name") == NASTY.replace("\x01", "\ufffd")
