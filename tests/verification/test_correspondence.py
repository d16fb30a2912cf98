"""What belongs together in an original and a converted file, and what is said of the rest."""

from __future__ import annotations

from pathlib import Path

import onnx
from helpers import save
from layer_models import noted, pair, without_notes
from networks import encoder, mlp
from spellings import SPELLINGS

from fc2conv_cli.layer_notes import KEY, LayerNote
from fc2conv_cli.verification.correspondence import Correspondence, correspondence
from fc2conv_cli.verification.instrument import Instrumented


def found(original: Path, converted: Path) -> Correspondence:
    return correspondence(Instrumented(original), Instrumented(converted))


def test_each_layer_has_one_note_with_the_names_of_the_original(tmp_path: Path) -> None:
    original, right = pair(encoder(1), tmp_path)
    nodes = {node.name: node for node in onnx.load(original).graph.node}
    notes = [LayerNote.from_json(e.value) for n in noted(onnx.load(right)) for e in n.metadata_props if e.key == KEY]
    assert len(notes) == 6
    for note in notes:
        assert note is not None
        assert note.spelling in ("MatMul", "MatMul+Add", "Gemm")
        assert note.layer in nodes
        assert note.x in nodes[note.layer].input
        assert any(note.y in node.output for node in nodes.values())


def test_layers_come_in_the_order_of_the_original(tmp_path: Path) -> None:
    original, right = pair(mlp(4), tmp_path)
    by_notes = found(original, right)
    assert by_notes.basis == "notes"
    assert [tap.name for tap in by_notes.taps] == ["Gemm0", "MatMul2", "Gemm5", "MatMul7"]
    assert by_notes.notes == ()


def test_layers_in_bodies_are_named(tmp_path: Path) -> None:
    for title in ("both branches of `If`", "a local function", "`Scan`"):
        spelling = next(s for s in SPELLINGS if s.title == title)
        by_notes = found(*pair(spelling.build(), tmp_path))
        assert by_notes.taps == ()
        assert "in the body of an If, Loop, Scan or function" in by_notes.notes[0]
        assert "MatMul to" in by_notes.notes[0]


def test_a_note_that_cannot_be_read_and_one_of_another_model(tmp_path: Path) -> None:
    original, right = pair(mlp(3), tmp_path)
    proto = onnx.load(right)
    first, second, _ = noted(proto)
    for node, text in ((first, "?"), (second, None)):
        entry = next(e for e in node.metadata_props if e.key == KEY)
        entry.value = entry.value.replace('"y": "', '"y": "no_') if text is None else text
    by_notes = found(original, save(proto, tmp_path / "odd.onnx"))
    assert [tap.name for tap in by_notes.taps] == ["Gemm5"]
    assert by_notes.notes == (
        "the original has no value of the name that was noted, so not compared: MatMul2",
        "what is noted of the layer cannot be read, so not compared: Gemm0",
    )


def test_a_layer_whose_input_or_convolution_is_not_found_is_not_run_alone(tmp_path: Path) -> None:
    original, right = pair(mlp(3), tmp_path)
    proto = onnx.load(right)
    first, second, _ = noted(proto)
    entry = next(e for e in first.metadata_props if e.key == KEY)
    entry.value = entry.value.replace('"x": "x"', '"x": "gone"')
    second.op_type = "ConvTranspose"
    taps = found(original, save(proto, tmp_path / "odd.onnx")).taps
    assert taps[0].remarks == ("its inputs cannot be found in both models: not run alone",)
    assert taps[1].alone is not None  # the first convolution above it is taken; it will not fit
    assert taps[2].alone is not None


def test_by_name_without_notes(tmp_path: Path) -> None:
    original, right = pair(mlp(2), tmp_path)
    by_name = found(original, without_notes(right))
    assert by_name.basis == "names"
    assert all(tap.ours == tap.theirs and tap.alone is None for tap in by_name.taps)
    assert "y" in [tap.name for tap in by_name.taps]
