"""A comparison layer by layer, as a saved JSON report has it, as its record again."""

from __future__ import annotations

from typing import cast, get_args

from fc2conv_cli.reports.fields import Fields
from fc2conv_cli.verification.extremes import judged
from fc2conv_cli.verification.layer_report import Basis, LayerReport, LayersReport
from fc2conv_cli.verification.metrics import Deviation, Tolerance


def layers(fields: Fields) -> LayersReport | None:
    """The layers of a comparison; None if it was made without."""
    if not fields.has("per_layer"):
        return None
    return LayersReport(
        cast("Basis", fields.choice("per_layer_basis", get_args(Basis))),
        tuple(map(_layer, fields.objects("per_layer"))),
        fields.whole("per_layer_runs"),
        fields.text("per_layer_engine"),
        fields.texts("per_layer_notes"),
        fields.has("per_layer_tells_all") and fields.flag("per_layer_tells_all"),
    )


def _layer(fields: Fields) -> LayerReport:
    """A layer; whether it diverges is worked out again from what was measured."""
    tolerance = Tolerance(fields.measure("atol"), fields.measure("rtol"))
    entire, single = (
        None if found is None else judged(deviation(found), tolerance)
        for found in (fields.object_or_none("entire"), fields.object_or_none("single"))
    )
    return LayerReport(
        fields.text("name"),
        fields.text("spelling"),
        fields.text("becomes"),
        fields.wholes_or_none("input_shape"),
        fields.wholes_or_none("output_shape"),
        fields.text("dtype"),
        tolerance,
        entire,
        single,
        fields.texts("notes"),
        fields.measure_or_none("noise"),
    )


def deviation(fields: Fields) -> Deviation:
    """A run's deviation, not judged yet."""
    return Deviation(
        fields.measure("max_abs"),
        fields.measure("max_reference"),
        fields.wholes_or_none("index"),
        fields.value("reference"),
        fields.value("converted"),
        False,
        fields.measure("nans"),
        fields.measure("infinities"),
        fields.measure_or_none("elementwise_rtol"),
    )
