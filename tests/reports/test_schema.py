"""The published schema says what reports are: no less, and no more."""

from __future__ import annotations

import copy
import json
import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from helpers import SAMPLES
from samples import by_layer, different, inspected, integers, left, without_an_output, written

from fc2conv_cli import convert, inspect, verify
from fc2conv_cli.layout.solve import Wishes
from fc2conv_cli.reports.error_report import ErrorReport
from fc2conv_cli.reports.error_report import render as render_error
from fc2conv_cli.reports.formats import Format
from fc2conv_cli.reports.json import render
from fc2conv_cli.reports.judge import judge
from fc2conv_cli.verification.judgement import Judgement

DOCS = SAMPLES.parent / "docs"
SCHEMA: dict[str, Any] = json.loads((DOCS / "report.schema.json").read_text(encoding="utf-8"))

REPORTS: dict[str, Callable[[Path], Any]] = {
    "written": written,
    "left": left,
    "dry run": lambda folder: convert(SAMPLES / "transformer_encoder.onnx", dry_run=True),
    "another interface": lambda folder: convert(SAMPLES / "mlp.onnx", folder / "o.onnx", wishes=Wishes(io="nchw")),
    "the same": lambda folder: verify(SAMPLES / "digits_cnn.onnx", SAMPLES / "digits_cnn.onnx"),
    "different": different,
    "not a number": lambda folder: different(folder, float("nan")),
    "integers": integers,
    "an output less": without_an_output,
    "judged again": lambda folder: judge(different(folder), Judgement(atol=9.0)),
    "by layer": by_layer,
    "inspected": inspected,
    "a transformer": lambda folder: inspect(SAMPLES / "transformer_encoder.onnx"),
}


def closed(schema: Any) -> Any:
    """The same schema, with no fields but those that it names."""
    if isinstance(schema, dict):
        more = {"additionalProperties": False} if "properties" in schema and "type" in schema else {}
        return {key: closed(value) for key, value in schema.items()} | more
    return [closed(item) for item in schema] if isinstance(schema, list) else schema


def valid(data: Any, schema: dict[str, Any] = SCHEMA) -> bool:
    return bool(jsonschema.Draft202012Validator(schema).is_valid(data))


def test_it_is_a_schema_and_made_from_the_code() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    made = runpy.run_path(str(DOCS / "make_schema.py"))
    assert (DOCS / "report.schema.json").read_text(encoding="utf-8") == made["page"](), "run: docs/make_schema.py"


@pytest.mark.parametrize("name", REPORTS)
def test_real_reports_have_these_fields_and_no_others(tmp_path: Path, name: str) -> None:
    data = json.loads(render(REPORTS[name](tmp_path)))
    jsonschema.validate(data, SCHEMA, jsonschema.Draft202012Validator)
    assert valid(data, closed(SCHEMA)), "a field that the schema does not name: docs/make_schema.py"


def test_what_is_no_report_is_not_valid(tmp_path: Path) -> None:
    data = json.loads(render(written(tmp_path)))
    assert valid(data)
    assert valid({**data, "later": 1})
    for key in data:
        assert not valid({k: v for k, v in data.items() if k != key}), key
    for key, wrong in (("version", 2), ("command", "fly"), ("status", "fine"), ("passed", 1), ("layers", {})):
        assert not valid({**data, key: wrong}), key
    deep = copy.deepcopy(data)
    deep["verification"]["outputs"][0]["max_abs"] = -1
    assert not valid(deep)


def test_layers_come_whole_or_not_at_all(tmp_path: Path) -> None:
    data = json.loads(render(by_layer(tmp_path)))
    for key in [key for key in data if key.startswith("per_layer") or key == "first_to_diverge"]:
        assert not valid({k: v for k, v in data.items() if k != key}), key


def test_an_error_is_valid_and_its_fields_are_required() -> None:
    error = ErrorReport("verify", "ModelNotFoundError", "m.onnx: no such file", "", 2)
    data = json.loads(render_error(error, Format.json))
    assert valid(data)
    assert valid(data, closed(SCHEMA))
    for key in data["error"]:
        assert not valid({**data, "error": {k: v for k, v in data["error"].items() if k != key}}), key
