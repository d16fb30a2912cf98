"""A saved report is the record again: what is made of it is what was made of the original."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from helpers import SAMPLES, matmul, random, save, value
from hypothesis import given
from hypothesis import strategies as st
from layer_models import pair, without_notes
from networks import mlp
from samples import by_layer, ill_conditioned

from fc2conv_cli import Settings, convert, errors, inspect, verify
from fc2conv_cli.layout.solve import Wishes
from fc2conv_cli.reports import console, formats
from fc2conv_cli.reports.formats import Format
from fc2conv_cli.reports.from_json import _term, read
from fc2conv_cli.reports.json import render
from fc2conv_cli.verification.feeding import Feeding


def saved(report: object, folder: Path) -> Path:
    path = folder / "report.json"
    path.write_text(render(report), encoding="utf-8")  # type: ignore[arg-type]
    return path


def different(folder: Path, factor: float = 1.5) -> object:
    ours = save(matmul(["N", 4], random((4, 3))), folder / "a.onnx")
    theirs = save(matmul(["N", 4], random((4, 3)) * np.float32(factor)), folder / "b.onnx")
    return verify(ours, theirs)


def strict(folder: Path) -> object:
    proto = matmul(["N", 4], random((4, 3)))
    proto.graph.input.append(value("w", [4, 3]))
    return convert(save(proto, folder / "m.onnx"), strict=True)


def unnoted(folder: Path) -> object:
    original, right = pair(mlp(2), folder)
    return verify(original, without_notes(right), per_layer=True, settings=Settings(samples=1))


def of_a_file(folder: Path) -> object:
    path = save(matmul(["N", 4], random((4, 3))), folder / "a.onnx")
    np.savez(folder / "in.npz", x=random((3, 2, 4)))
    return verify(path, path, settings=Settings(feeding=Feeding(folder / "in.npz")))


REPORTS: dict[str, Callable[[Path], object]] = {
    "a conversion": lambda folder: convert(SAMPLES / "digits_cnn.onnx", folder / "out.onnx"),
    "a dry run": lambda folder: convert(SAMPLES / "transformer_encoder.onnx", dry_run=True),
    "another interface": lambda folder: convert(SAMPLES / "mlp.onnx", folder / "o.onnx", wishes=Wishes(io="nchw")),
    "folded": lambda folder: convert(SAMPLES / "digits_cnn.onnx", folder / "out.onnx", fuse=True),
    "layers left": strict,
    "the same": lambda folder: verify(SAMPLES / "mlp.onnx", SAMPLES / "mlp.onnx"),
    "different": different,
    "not a number": lambda folder: different(folder, float("nan")),
    "by layer": by_layer,
    "by layer, without notes": unnoted,
    "a layer that cannot be measured": lambda folder: by_layer(folder, float("nan")),
    "ill-conditioned": ill_conditioned,
    "accepted": lambda folder: ill_conditioned(folder, accept_ill_conditioned=True),
    "elementwise": lambda folder: by_layer(folder, elementwise=True),
    "by inputs of a file": of_a_file,
    "an inspection": lambda folder: inspect(SAMPLES / "transformer_encoder.onnx"),
}


@pytest.mark.parametrize("name", REPORTS)
def test_the_way_there_and_back(tmp_path: Path, name: str) -> None:
    report = REPORTS[name](tmp_path)
    again = read(saved(report, tmp_path))
    assert render(again) == render(report)  # type: ignore[arg-type]
    for output_format in set(Format) - {Format.json}:
        shown, before = (
            formats.render(r, output_format, width=None, color=False, verbose=True)  # type: ignore[arg-type]
            for r in (again, report)
        )
        assert shown == before


def test_what_a_layer_took_in_survives(tmp_path: Path) -> None:
    nodes = [
        onnx.helper.make_node("MatMul", ["x", "w"], ["z"], name="fc"),
        onnx.helper.make_node("Mul", ["z", "s"], ["y"], name="scale"),
    ]
    from helpers import model

    constants = {"w": random((4, 3)), "s": random((3,))}
    proto = model(nodes, [value("x", ["N", 4])], [value("y", ["N", 3])], constants)
    report = inspect(save(proto, tmp_path / "m.onnx"), fuse=True)
    assert "folded into fc: Mul scale" in str(report)
    assert str(read(saved(report, tmp_path))) == str(report)


BROKEN: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "missing": (lambda d: d["outputs"][0].pop("atol"), "the field outputs[0].atol is missing"),
    "another type": (lambda d: d["outputs"][0].update(atol="much"), "outputs[0].atol is 'much', and not a number"),
    "no list": (lambda d: d.update(outputs=3), "outputs is 3, and not a list"),
    "no object": (lambda d: d.update(outputs=[3]), "outputs[0] is 3, and not an object"),
    "no integer": (lambda d: d.update(runs=True), "runs is True, and not an integer"),
    "no string": (lambda d: d.update(notes=[1]), "notes[0] is 1, and not a string"),
    "no path": (lambda d: d.update(original=None), "original is None, and not a string"),
    "too large": (lambda d: d["outputs"][0].update(rtol=10**999), "and not a number that a float holds"),
    "another command": (lambda d: d.update(command="fly"), "command is 'fly', and not one of 'convert', 'verify'"),
    "a later version": (lambda d: d.update(version=99), "is a report of version 99; this fc2conv reads 1"),
    "no version": (lambda d: d.update(version=0), "version is 0, and there is no such version"),
    "no such basis": (lambda d: d.update(per_layer_basis="luck"), "per_layer_basis is 'luck', and not one of 'notes'"),
    "a layer": (lambda d: d["per_layer"][1]["single"].update(max_abs=-1), "per_layer[1].single.max_abs is -1"),
    "layers without runs": (lambda d: d.pop("per_layer_runs"), "the field per_layer_runs is missing"),
    "foreign": (lambda d: d.pop("command"), "is JSON, but no report of fc2conv"),
}


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("good")
    return render(by_layer(folder))


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_wrong_is_named_by_its_place(tmp_path: Path, good: str, name: str) -> None:
    data = json.loads(good)
    change, words = BROKEN[name]
    change(data)
    path = tmp_path / "r.json"
    path.write_text(json.dumps(data))
    with pytest.raises(errors.ReportFileError) as caught:
        read(path)
    assert caught.value.message.startswith(f"{path}: ")
    assert words in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is not JSON"),
        (b"{", "is not JSON"),
        (b"\xff\x00\x12", "is not JSON"),
        (b"[" * 100_000, "is not JSON"),
        (b"[]", "no report of fc2conv"),
        (b'{"a": 1}', "no report of fc2conv"),
    ],
)
def test_what_is_no_report(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "r.json"
    path.write_bytes(content)
    with pytest.raises(errors.ReportFileError, match=words):
        read(path)


def test_what_cannot_be_read(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none.json"):
        with pytest.raises(errors.ReportFileError, match="cannot be read"):
            read(path)


def places(data: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    items = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    return [at, *(place for key, item in items for place in places(item, (*at, key)))]


junk = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3) | st.just([]) | st.just({})


@given(st.data())
def test_any_field_may_be_anything(good: str, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    """Whatever stands in a field, there is a record that can be written, or one clear message."""
    content = json.loads(good)
    *way, last = data.draw(st.sampled_from(places(content)[1:]))
    holder = content
    for key in way:
        holder = holder[key]
    holder[last] = data.draw(junk)
    path = tmp_path_factory.getbasetemp() / "fuzzed.json"
    path.write_text(json.dumps(content))
    try:
        report = read(path)
    except errors.ReportFileError:
        return
    render(report)
    console.render(report, width=None, color=False, verbose=True)


def test_a_number_of_thousands_of_digits_is_a_symbol() -> None:
    assert str(_term("9" * 5000)) == "9" * 5000
    assert str(_term("4096*N")) == "4096*N"
