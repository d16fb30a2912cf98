"""Makes docs/report.schema.json, the JSON Schema of what ``--output-format json`` writes.

    python docs/make_schema.py

Fields are never closed: a later fc2conv may add some without a new version, and reports stay valid.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, get_args

from fc2conv_cli.pipeline.records import Status
from fc2conv_cli.reports.json import VERSION
from fc2conv_cli.verification.layer_report import Basis
from fc2conv_cli.verification.report import Verdict

Schema = dict[str, Any]

TEXT: Schema = {"type": "string"}
FLAG: Schema = {"type": "boolean"}
COUNT: Schema = {"type": "integer", "minimum": 0}
NUMBER: Schema = {"anyOf": [{"type": "number"}, {"enum": ["inf", "-inf", "nan"]}]}
MEASURE: Schema = {"anyOf": [{"type": "number", "minimum": 0}, {"const": "inf"}]}
SIZE: Schema = {"type": ["integer", "string"]}
TEXTS: Schema = {"type": "array", "items": TEXT}
SIZES: Schema = {"type": "array", "items": SIZE}


def said(schema: Schema, description: str) -> Schema:
    """A schema with a description."""
    return {**schema, "description": description}


def or_null(schema: Schema) -> Schema:
    """A schema that also takes null."""
    return {"anyOf": [schema, {"type": "null"}]}


def array(items: Schema) -> Schema:
    """A list of such items."""
    return {"type": "array", "items": items}


def ref(name: str) -> Schema:
    """One of the definitions below."""
    return {"$ref": f"#/$defs/{name}"}


def record(description: str, **fields: Schema) -> Schema:
    """An object that has all of these fields, and may have more."""
    return {"type": "object", "description": description, "properties": fields, "required": list(fields)}


DEVIATION = {
    "max_abs": said(MEASURE, "Largest absolute difference."),
    "max_reference": said(
        MEASURE, "Largest magnitude in the reference of that run, without fill values (-3.4e38) that both have."
    ),
    "max_relative": said(MEASURE, "max_abs / max_reference."),
    "index": said(or_null(array(COUNT)), "Where the largest difference is; null when both are equal."),
    "reference": said({"type": ["number", "string", "null"]}, "The value of the original there."),
    "converted": said({"type": ["number", "string", "null"]}, "The value of the converted model there."),
    "nans": said({"type": "number", "minimum": 0, "maximum": 1}, "Share of the places where both are NaN."),
    "infinities": said({"type": "number", "minimum": 0, "maximum": 1}, "... where both are the same infinity."),
    "elementwise_rtol": said(or_null(MEASURE), "The least rtol with which each element would pass; null unless asked."),
}

DEFINITIONS: Schema = {
    "deviation": record("How far one run was from its reference.", **DEVIATION),
    "output": record(
        "One output, over all runs. It passes when max_abs <= atol + rtol * max_reference in each.",
        name=TEXT,
        dtype=TEXT,
        shape=said(or_null(array({"type": ["integer", "string", "null"]})), "As the original declares it."),
        passed=FLAG,
        atol=MEASURE,
        rtol=MEASURE,
        elementwise=said(FLAG, "Whether each element is held to atol + rtol * |its reference|, not the largest one."),
        verdict={"enum": list(get_args(Verdict))},
        **{
            name: said(or_null(schema), schema["description"] + " Of the worst run; null if none was compared.")
            for name, schema in DEVIATION.items()
        },
        rtol_to_pass=said(MEASURE, "The least rtol with which all runs would pass."),
        measures=said(or_null(ref("measures")), "Further figures; null if nothing finite was compared."),
        noise=said(or_null(MEASURE), "How much the original moves when each float input moves by one unit."),
        excess=said(
            or_null(MEASURE), "The deviation over the noise of its run, the largest; of runs outside tolerance if any."
        ),
        compared=said(FLAG, "Whether a finite value of it was compared in any run."),
        largest=said(or_null(MEASURE), "Largest magnitude in the original, of all runs; null if not known."),
        extremes=said(array(ref("deviation")), "The runs that can be the worst under some tolerance."),
        failures=said(TEXTS, "What is wrong with its name, type or shape."),
        notes=TEXTS,
    ),
    "measures": record(
        "Figures over all runs.",
        mean_abs=MEASURE,
        rmse=MEASURE,
        cosine=said(NUMBER, "Of the angle between both, all runs as one vector."),
        sqnr_db=said(NUMBER, "Power of the original over that of the difference."),
        max_ulp=said(or_null(COUNT), "Largest distance in units in the last place; null for integers."),
        top1=said(or_null({"type": "number"}), "Share of rows with their largest value at the same place."),
    ),
    "cost": record(
        "What a model cost to run, graph optimisations off.",
        load_seconds=MEASURE,
        run_seconds=MEASURE,
        runs=said(COUNT, "Runs that were timed: all after the first."),
        memory_bytes=or_null(COUNT),
    ),
    "verification": record(
        "A comparison of two models.",
        original=TEXT,
        converted=TEXT,
        passed=FLAG,
        engine=said(TEXT, "What ran the models."),
        quantized=said(FLAG, "Whether the original rounds to integers."),
        seed=COUNT,
        inputs=said(or_null(TEXT), "The file or folder that the inputs come from; null if they are random."),
        accepts_ill_conditioned=FLAG,
        original_cost=or_null(ref("cost")),
        converted_cost=or_null(ref("cost")),
        samples=COUNT,
        runs=COUNT,
        cases=said(array({"type": "object", "additionalProperties": COUNT}), "Sizes of the dynamic dims."),
        outputs=array(ref("output")),
        failures=said(TEXTS, "What is wrong with the converted model as a whole."),
        notes=TEXTS,
        export=said(or_null(ref("verification")), "Of a PyTorch model: the plain export against PyTorch."),
    ),
    "layer_deviation": record(
        "A converted layer beside the original's, over all runs.",
        name=said(TEXT, "The layer; the value, where files have no notes of fc2conv."),
        spelling=said(TEXT, "How the original writes it."),
        becomes=TEXT,
        input_shape=said(or_null(array(COUNT)), "In the run that deviates most."),
        output_shape=or_null(array(COUNT)),
        dtype=TEXT,
        diverges=said(FLAG, "Whether the layer itself is outside of tolerance."),
        atol=MEASURE,
        rtol=MEASURE,
        entire=said(or_null(ref("judged_deviation")), "Both whole models on the same inputs."),
        single=said(or_null(ref("judged_deviation")), "The layer alone, on the original's own input."),
        noise=said(or_null(MEASURE), "How much the original's own value moves by rounding."),
        rounding=said(FLAG, "Whether entire is outside of tolerance by no more than rounding explains."),
        notes=TEXTS,
    ),
    "judged_deviation": record("A deviation, and whether it is within tolerance.", passed=FLAG, **DEVIATION),
    "error": record(
        "Why there is no result.",
        kind=said(TEXT, "Class of the error."),
        message=said(TEXT, "What is wrong, and where."),
        hint=said(TEXT, "What to do about it; may be empty."),
        exit_code={"const": 2},
    ),
    "layer": record(
        "A fully connected layer that becomes a convolution.",
        name=TEXT,
        spelling=said(TEXT, "How the file writes it."),
        in_features=COUNT,
        out_features=COUNT,
        groups=COUNT,
        positions=SIZES,
        parameters=COUNT,
        macs=said(SIZE, "Multiply-accumulates of one run."),
        folded=said(TEXTS, "What --fuse took into it."),
        folded_op_types=TEXTS,
        conv=record(
            "The convolution.",
            op_type=TEXT,
            reads=or_null(TEXT),
            kernel_shape={**array(COUNT), "minItems": 2, "maxItems": 2},
            input_shape=SIZES,
            output_shape=SIZES,
        ),
    ),
    "skip": record(
        "A node that stays.",
        name=TEXT,
        op_type=TEXT,
        code=said({**TEXT, "pattern": "^FC2C-"}, "Stable; docs/reasons.md lists all."),
        fully_connected=said(FLAG, "Whether it is a layer, and does not only look like one."),
        wished=said(FLAG, "Whether --only or --skip asked for it."),
        rule=TEXT,
        reason=TEXT,
        advice=TEXT,
    ),
    "layout_count": record(
        "Layout nodes that run.",
        transposes=COUNT,
        reshapes=COUNT,
        bytes_moved=said(SIZE, "By the Transposes; a sum of products where dims are symbolic."),
    ),
    "stretch": record("A part of the graph that stays in 4-D.", layers=TEXTS, nodes=TEXTS),
    "weight_bytes": record(
        "Bytes of all tensors written: as they are in the original, in another order, computed (as biases are).",
        copied=COUNT,
        rearranged=COUNT,
        made=COUNT,
    ),
    "interface_change": record(
        "An input or output that is 4-D now.", kind={"enum": ["input", "output"]}, name=TEXT, before=SIZES, after=SIZES
    ),
}

PLAN = {
    "layers": array(ref("layer")),
    "skips": array(ref("skip")),
    "layout": record(
        "How good the choice of layouts is.", cost=NUMBER, bound=NUMBER, gap=NUMBER, nodes=COUNT, options=COUNT
    ),
    "layout_nodes": record(
        "Before and after; null where nothing was made.",
        before=or_null(ref("layout_count")),
        after=or_null(ref("layout_count")),
    ),
    "stretches": array(ref("stretch")),
    "interface": array(ref("interface_change")),
    "notes": TEXTS,
    "seconds": said(
        {"type": "object", "additionalProperties": {"type": "number"}},
        "By stage. What the command reports begins with `start` (of Python) and `imports`, and adds up to its time.",
    ),
}


def report(command: str, description: str, **fields: Schema) -> Schema:
    """The report of a command."""
    return record(description, version={"const": VERSION}, command={"const": command}, **fields)


def with_layers(verification: Schema) -> Schema:
    """A comparison that may also have been made layer by layer: those fields are there all, or none is."""
    fields = {
        "per_layer": said(array(ref("layer_deviation")), "In the order of the original graph; only with --per-layer."),
        "per_layer_basis": said({"enum": list(get_args(Basis))}, "What told which values belong together."),
        "per_layer_engine": TEXT,
        "per_layer_runs": COUNT,
        "per_layer_notes": TEXTS,
        "per_layer_tells_all": said(FLAG, "Whether the inputs on which outputs are farthest off are among those runs."),
        "first_to_diverge": said(or_null(TEXT), "Name of the first layer that diverges."),
    }
    together = {name: list(fields) for name in fields}
    return {**verification, "properties": {**verification["properties"], **fields}, "dependentRequired": together}


def error() -> Schema:
    """The report of a command that could not do its work."""
    command = {"enum": ["convert", "verify", "inspect", "report"]}
    return record("Exit code 2.", version={"const": VERSION}, command=command, error=ref("error"))


def conversion() -> Schema:
    """The report of ``fc2conv convert``."""
    return report(
        "convert",
        "What fc2conv convert did.",
        model=TEXT,
        status={"enum": list(get_args(Status))},
        passed=said(FLAG, "Whether nothing went against the user's wishes: exit code 0."),
        verified=said(FLAG, "Whether a file was written that was compared with the original and agrees."),
        output=or_null(TEXT),
        data=or_null(TEXT),
        failed=or_null(TEXT),
        export=or_null(TEXT),
        verification=or_null(ref("verification")),
        weight_bytes=said(or_null(ref("weight_bytes")), "Null if no file was written."),
        **PLAN,
    )


def schema() -> Schema:
    """The whole."""
    verification = DEFINITIONS["verification"]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"Report of fc2conv, version {VERSION}",
        "description": "What fc2conv writes with --output-format json, or why it could not. Numbers that JSON "
        "cannot hold are the strings inf, -inf and nan. A later fc2conv may add fields.",
        "oneOf": [
            conversion(),
            with_layers(
                report("verify", verification["description"], **verification["properties"], seconds=PLAN["seconds"])
            ),
            report("inspect", "What fc2conv inspect found.", model=TEXT, **PLAN),
            error(),
        ],
        "$defs": DEFINITIONS,
    }


def page() -> str:
    """docs/report.schema.json."""
    return json.dumps(schema(), indent=2) + "\n"


if __name__ == "__main__":
    Path(__file__).with_name("report.schema.json").write_text(page(), encoding="utf-8")
