"""Which values of a converted model belong to which values of its original."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import onnx

from fc2conv_cli import layer_notes
from fc2conv_cli.layer_notes import LayerNote
from fc2conv_cli.verification.alone import Alone, find_alone
from fc2conv_cli.verification.instrument import Instrumented, bodies
from fc2conv_cli.verification.layer_report import Basis


@dataclass(frozen=True)
class Tap:
    """Two values that belong together.

    Attributes:
        name: The layer; the value, in a file without notes.
        spelling: How the original writes it.
        becomes: What it is now.
        ours: The value of the original.
        theirs: The value of the converted model.
        note: How it is stored there; None if as in the original.
        alone: The layer as a model of its own; None if it cannot be one.
        remarks: What is to be said.
    """

    name: str
    spelling: str
    becomes: str
    ours: str
    theirs: str
    note: LayerNote | None = None
    alone: Alone | None = None
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Correspondence:
    """All that belongs together, in the order of the original, and what is to be said of what does not."""

    basis: Basis
    taps: tuple[Tap, ...]
    notes: tuple[str, ...] = ()


def correspondence(original: Instrumented, converted: Instrumented) -> Correspondence:
    """By fc2conv's notes where the converted model has any, else by name."""
    noted = [(node, text) for node in converted.proto.graph.node if (text := _note_text(node)) is not None]
    inside = [text for nodes in bodies(converted.proto) for node in nodes if (text := _note_text(node)) is not None]
    if not noted and not inside:
        return _by_name(original, converted)
    earlier = {text for node in original.proto.graph.node if (text := _note_text(node)) is not None}
    taps, absent, broken = [], [], []
    for node, text in noted:
        note = LayerNote.from_json(text)
        if note is None or not all(node.output[:1]):
            broken.append(node.name or node.op_type)
        elif original.has(note.y):
            taps.append(_tap(original, converted, node, note))
        elif text not in earlier:  # else it was converted before the original was written
            absent.append(note.layer)
    taps.sort(key=lambda tap: original.place(tap.ours))
    return Correspondence("notes", tuple(taps), tuple(_said(inside, absent, broken)))


def _note_text(node: onnx.NodeProto) -> str | None:
    return next((entry.value for entry in node.metadata_props if entry.key == layer_notes.KEY), None)


def _said(inside: Sequence[str], absent: Sequence[str], broken: Sequence[str]) -> Iterator[str]:
    if inside:
        notes = [LayerNote.from_json(text) for text in inside]
        names = ", ".join(note.layer for note in notes if note is not None)
        yield f"in the body of an If, Loop, Scan or function, so that no layer-by-layer comparison reaches it: {names}"
    if absent:
        yield f"the original has no value of the name that was noted, so not compared: {', '.join(absent)}"
    if broken:
        yield f"what is noted of the layer cannot be read, so not compared: {', '.join(broken)}"


def _tap(original: Instrumented, converted: Instrumented, node: onnx.NodeProto, note: LayerNote) -> Tap:
    alone = find_alone(converted, node, note)
    becomes = node.op_type if alone is None else alone.becomes
    tap = Tap(note.layer, note.spelling, becomes, note.y, node.output[0], note, alone)
    if alone is None:
        return replace(tap, remarks=("its convolution is not where its note says: not run alone",))
    if note.reads is None or not original.has(note.x) or not all(map(converted.has, (alone.reads, *alone.sides))):
        return replace(tap, alone=None, remarks=("its inputs cannot be found in both models: not run alone",))
    return tap


def _by_name(original: Instrumented, converted: Instrumented) -> Correspondence:
    """Every value of both main graphs that has the same name and depends on an input."""
    names = [
        name
        for name in original.makers
        if name in converted.makers and not (original.is_constant(name) or converted.is_constant(name))
    ]
    pairs = [(name, original.makers[name], converted.makers[name]) for name in names]
    taps = tuple(Tap(name, ours.op_type, theirs.op_type, name, name) for name, ours, theirs in pairs)
    if not taps:
        said = "no node has a note of fc2conv's, and no value has the same name in both: nothing to compare by layer"
        return Correspondence("nothing", (), (said,))
    said = "no node has a note of fc2conv's: compared are the float values that have the same name and shape in both"
    return Correspondence("names", taps, (said,))
