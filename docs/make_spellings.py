"""Makes docs/spellings.md from the test cases: ``python docs/make_spellings.py``."""

from __future__ import annotations

import itertools
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import onnx

from fc2conv_cli import convert

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

if TYPE_CHECKING:
    from spellings import Spelling

HEAD = """# Spellings

Every way to write a fully connected layer that is tested, and what comes of it. Made by `python docs/make_spellings.py`
from the cases in `tests/spellings.py`; `tests/test_spellings.py` converts each of them and compares it with
onnxruntime's result of the original at dynamic sizes 1 and 3, integers for equality. Nodes that only prepare a weight
are not listed. In models of several layers, layout nodes between them cancel.
"""


def page() -> str:
    """The whole page."""
    from spellings import SPELLINGS

    lines = [HEAD]
    for group, members in itertools.groupby(SPELLINGS, lambda s: s.group):
        lines += [f"## {group}", "| the file says | it becomes | compared |", "|---|---|---|"]
        lines += [f"| {s.title} | {' | '.join(_outcome(s))} |" for s in members]
        lines.append("")
    return "\n".join(lines)


def _outcome(spelling: Spelling) -> tuple[str, str]:
    if spelling.stays:
        return f"stays: [{spelling.stays}](reasons.md#{spelling.stays.lower()})", ""
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "model.onnx", Path(folder) / "out.onnx"
        onnx.save(spelling.build(), source)
        report = convert(source, target, **(spelling.options or {}))
        if report.verification is None or not report.verification.passed:
            raise SystemExit(f"{spelling.title}: {report}")
        kernels = {f"{h}x{w}" for p in report.plan.layers for h, w in [p.form.kernel_shape]}
        nodes = " ".join(_running(onnx.load(target)))
    where = "" if report.verification.engine == "onnxruntime" else ", reference evaluator"
    how = "equal" if spelling.tolerance == 0 else f"within {spelling.tolerance:g}"
    return f"{nodes}; kernel {', '.join(sorted(kernels))}", f"{how}{where}"


def _running(proto: onnx.ModelProto) -> list[str]:
    """The ops that depend on an input, bodies in brackets."""
    functions = {f.name: f.node for f in proto.functions}

    def ops(nodes: list[onnx.NodeProto], constant: set[str]) -> list[str]:
        found: list[str] = []
        for node in nodes:
            inner = [" ".join(ops(list(a.g.node), set(constant))) for a in node.attribute if a.HasField("g")]
            inner += [" ".join(ops(list(functions[node.op_type]), set()))] if node.op_type in functions else []
            if not inner and all(name in constant or not name for name in node.input):
                constant.update(node.output)
            else:
                found.append(node.op_type + (f" ({' / '.join(inner)})" if inner else ""))
        return found

    return ops(list(proto.graph.node), {i.name for i in proto.graph.initializer})


if __name__ == "__main__":
    Path(__file__).with_name("spellings.md").write_text(page(), encoding="utf-8")
