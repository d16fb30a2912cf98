"""One small model by fc2conv, ``cp``, and tools that go wrong."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from helpers import SAMPLES, model, names, random, save, value
from onnx import helper

from benchmarks.catalog import Model, fixed
from benchmarks.comparing import Comparison
from benchmarks.counting import count
from benchmarks.environments import Environment
from benchmarks.judging import judge
from benchmarks.measuring import Limits
from benchmarks.peers import ROOT, TOOLS, Tool
from benchmarks.results import Results, Row
from benchmarks.results import save as save_results

BREAKS = """
import onnx, sys
proto = onnx.load(sys.argv[1])
node = [n for n in proto.graph.node if n.op_type == "Gemm"][0]
{}
onnx.save(proto, sys.argv[2])
"""


def script(name: str, code: str) -> Tool:
    return Tool(name, "", lambda _, source, target: [sys.executable, "-c", code, source, target])


def rows(folder: Path, *tools: Tool, homes: dict[str, Environment | None] | None = None) -> dict[str, Row]:
    comparison = Comparison(homes or {}, folder, Limits(seconds=60), runs=2)
    found = comparison.rows(Model("mlp", SAMPLES / "mlp.onnx", timed=True), tools)
    assert names(folder) == []
    return {row.tool: row for row in found}


def test_fc2conv_beside_cp(tmp_path: Path) -> None:
    copy, ours = rows(tmp_path, *TOOLS[:2]).values()
    assert (copy.fault, copy.layers) == ("", None)
    assert (ours.fault, ours.layers, ours.left, ours.layout) == ("", 3, 0, 2)
    assert ours.latency is not None
    assert ours.latency > 0
    assert len(ours.seconds) == len(ours.peaks) == len(ours.ratios) == 2
    assert copy.ratios == [1.0, 1.0]
    assert ours.ratios == [a / b for a, b in zip(ours.seconds, copy.seconds, strict=True)]
    assert min(ours.peaks) > min(copy.peaks)


def test_results_that_are_no_good_are_rows(tmp_path: Path) -> None:
    found = rows(
        tmp_path,
        script("wrong", BREAKS.format("node.op_type = 'Conv'; node.CopyFrom(onnx.helper.make_node('Gemm', "
               "[node.input[0], node.input[1]], node.output, transB=1))")),
        script("unloadable", BREAKS.format("node.op_type = 'NoSuchOp'")),
        script("silent", "print('nothing to do')"),
        script("crash", "import os; os.kill(os.getpid(), 11)"),
        Tool("absent", "", lambda *_: ["never"]),
        homes={"absent": Environment(Path("none"), "cannot be installed: no such package")},
    )  # fmt: skip
    assert found["wrong"].fault.startswith("wrong: deviates by")
    assert found["unloadable"].fault.startswith("does not load or run: ")
    assert found["silent"].fault == "wrote nothing: nothing to do"
    assert found["crash"].fault == "signal 11"
    assert found["absent"].fault == "cannot be installed: no such package"
    assert [len(row.seconds) for row in found.values()] == [1, 1, 1, 1, 0]
    assert found["wrong"].layers == 3


def test_a_copy_is_judged_the_same_with_all_layers_left(tmp_path: Path) -> None:
    target = shutil.copy(SAMPLES / "mlp.onnx", tmp_path)
    judgement = judge(SAMPLES / "mlp.onnx", Path(target), samples=1, seconds=0.01)
    assert (judgement.fault, judgement.layers, judgement.left, judgement.layout) == ("", 3, 3, 0)
    assert (judgement.verify, judgement.deviation) == (0, 0.0)


def test_fc2conv_verify_has_its_say(tmp_path: Path) -> None:
    """What our own comparison lets pass: another name of an output."""
    proto = model([helper.make_node("Relu", ["x"], ["y"])], [value("x", ["N", 4])], [value("y", ["N", 4])])
    other = model([helper.make_node("Relu", ["x"], ["z"])], [value("x", ["N", 4])], [value("z", ["N", 4])])
    first, second = save(proto, tmp_path / "a.onnx"), save(other, tmp_path / "b.onnx")
    judgement = judge(first, second, samples=1, seconds=0.01)
    assert (judgement.verify, judgement.deviation) == (1, 0.0)
    assert judgement.fault.startswith("refused by `fc2conv verify`: ")


def test_what_rearranges_constants_is_no_layout_node(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Transpose", ["w"], ["t"], perm=[1, 0]),
        helper.make_node("Flatten", ["x"], ["f"]),
        helper.make_node("MatMul", ["f", "t"], ["m"]),
        helper.make_node("MatMul", ["m", "m"], ["y"]),
    ]
    proto = model(nodes, [value("x", [4, 2, 3])], [value("y", [4, 4])], {"w": random((4, 6))})
    found = count(save(proto, tmp_path / "m.onnx"))
    assert (found.layers, found.layout) == (1, 1)


@pytest.mark.parametrize(("sample", "shape"), [("digits_cnn", [1, 1, 8, 8]), ("transformer_encoder", [1, 16, 64])])
def test_sizes_are_fixed(sample: str, shape: list[int], tmp_path: Path) -> None:
    import onnxruntime as ort

    session = ort.InferenceSession(str(fixed(SAMPLES / f"{sample}.onnx", tmp_path)))
    assert session.get_inputs()[0].shape == shape


def test_the_command_lists_models_and_refuses_others(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benchmarks", "--folder", str(tmp_path)]
    listed = subprocess.run([*command, "--list"], capture_output=True, text=True, cwd=ROOT, check=True)
    for line in ("vgg11 (timed)", "mlp, fixed", "digits_cnn, fixed (timed)", "deit_tiny_patch16_224 (timed)"):
        assert f"{line}\n" in listed.stdout
    assert "tools: cp; fc2conv; fc2conv, verified; onnxsim" in listed.stdout
    command[-1] += "/new"
    refused = subprocess.run([*command, "nothing"], capture_output=True, text=True, cwd=ROOT, check=False)
    assert refused.returncode == 1
    assert refused.stderr == "no model nothing; --list names them.\n"
    assert names(tmp_path) == []


def test_a_reader_that_goes_away_is_no_fault(tmp_path: Path) -> None:
    save_results(Results("2026-01-02", "a machine", {}, {}, [], []), tmp_path / "results.json")
    reads, writes = os.pipe()
    os.close(reads)
    code = "import benchmarks.__main__ as command; command.draw = lambda *given: False; command.main()"
    words = [sys.executable, "-c", code, "--again", "--folder", str(tmp_path)]
    done = subprocess.run(words, stdout=writes, stderr=subprocess.PIPE, text=True, cwd=ROOT, check=False)
    os.close(writes)
    assert (done.returncode, done.stderr) == (141, "")
    assert (tmp_path / "results.md").exists()
