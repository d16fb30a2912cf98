from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from helpers import INT64, model, random, save, value
from onnx import TensorProto, helper

from fc2conv_cli import verify
from fc2conv_cli.verification.facts import Facts, facts_of

ROWS = 50
N = helper.make_node
NUMBERS = {
    "one": np.array(1), "two": np.array(2), "zero": np.array(0), "last": np.array([-1]), "top": np.array(ROWS - 1),
    "high": np.array(1000), "shifts": np.array([0, 10]), "flat": np.array([-1]), "ten": np.array(10),
}  # fmt: skip
LOOK_UP = N("Gather", ["table", "i"], ["y"])


def facts(nodes: list[onnx.NodeProto], tmp_path: Path, *, dtype: int = INT64, **more: object) -> Facts:
    constants = {**NUMBERS, "table": random((ROWS, 4)), "float one": np.float32(1).reshape(())}
    proto = model(nodes, [value("ids", ["N", 2], dtype)], [value("y", None)], constants, opset=18, **more)
    return facts_of(save(proto, tmp_path / "m.onnx"))


@pytest.mark.parametrize(
    ("nodes", "drawn"),
    [
        ([N("Identity", ["ids"], ["i"]), LOOK_UP], (0, 49)),
        ([N("Add", ["ids", "one"], ["i"]), LOOK_UP], (-1, 48)),
        ([N("Add", ["shifts", "ids"], ["i"]), LOOK_UP], (0, 39)),
        ([N("Sub", ["ids", "two"], ["i"]), LOOK_UP], (2, 51)),
        ([N("Sub", ["top", "ids"], ["i"]), LOOK_UP], (0, 49)),
        ([N("Mul", ["ids", "two"], ["i"]), LOOK_UP], (0, 24)),
        ([N("Neg", ["ids"], ["j"]), N("Add", ["j", "top"], ["i"]), LOOK_UP], (0, 49)),
        ([N("Clip", ["ids", "zero", "top"], ["i"]), LOOK_UP], (-1, 50)),
        ([N("Clip", ["ids", "zero", "high"], ["i"]), LOOK_UP], (-1, 49)),
        ([N("Max", ["ids", "zero"], ["j"]), N("Min", ["j", "top"], ["i"]), LOOK_UP], (-1, 50)),
        ([N("Mod", ["ids", "ten"], ["i"]), LOOK_UP], (-1, 10)),
        ([N("Less", ["ids", "zero"], ["c"]), N("Where", ["c", "zero", "ids"], ["i"]), LOOK_UP], (0, 49)),
        ([N("Unsqueeze", ["ids", "last"], ["i"]), N("GatherND", ["table", "i"], ["y"])], (0, 49)),
        ([N("Cast", ["ids"], ["f"], to=1), N("Add", ["f", "float one"], ["g"]), N("Cast", ["g"], ["i"], to=7), LOOK_UP],
         (-1, 48)),
        ([N("Concat", ["ids", "ids"], ["j"], axis=1), N("Reshape", ["j", "flat"], ["i"]), LOOK_UP], (0, 49)),
        ([LOOK_UP, N("Add", ["ids", "one"], ["j"]), N("Identity", ["j"], ["i"])], (-1, 48)),
        ([N("Gather", ["table", "ids"], ["a"]), N("Add", ["ids", "one"], ["i"]), N("Gather", ["table", "i"], ["b"]),
          N("Add", ["a", "b"], ["y"])], (0, 48)),
    ],
)  # fmt: skip
def test_ranges_go_backwards_through_nodes(nodes: list[onnx.NodeProto], drawn: tuple[int, int], tmp_path: Path) -> None:
    if nodes[0] is LOOK_UP:  # in order
        nodes = [*nodes[1:], nodes[0]]
    assert facts(nodes, tmp_path).tables == {"ids": drawn}


@pytest.mark.parametrize(
    "nodes",
    [
        [N("Mul", ["ids", "zero"], ["i"]), LOOK_UP],
        [N("Mul", ["ids", "ids"], ["i"]), LOOK_UP],
        [N("ReduceMax", ["ids"], ["i"]), LOOK_UP],
        [N("Cast", ["ids"], ["y"], to=1)],
    ],
)
def test_what_is_not_known_is_not_claimed(nodes: list[onnx.NodeProto], tmp_path: Path) -> None:
    assert facts(nodes, tmp_path).tables == {}


def function(nodes: list[onnx.NodeProto]) -> onnx.FunctionProto:
    opset = [helper.make_opsetid("", 18), helper.make_opsetid("here", 1)]
    return helper.make_function("here", "look_up", ["rows", "at"], ["found"], nodes, opset)


def test_calls_of_functions_are_entered(tmp_path: Path) -> None:
    inner = [N("Constant", [], ["k"], value_int=3), N("Add", ["at", "k"], ["j"]), N("Gather", ["rows", "j"], ["found"])]
    constants = {"table": random((ROWS, 4)), "one": np.array(1)}
    graph = model(
        [N("Add", ["ids", "one"], ["i"]), N("look_up", ["table", "i"], ["y"], domain="here")],
        [value("ids", ["N"], INT64)],
        [value("y", ["N", 4])],
        constants,
        opset=18,
        extra_opsets={"here": 1},
    )
    graph.functions.append(function(inner))
    assert facts_of(save(graph, tmp_path / "m.onnx")).tables == {"ids": (-4, 45)}


def test_what_a_function_gives_back_is_followed(tmp_path: Path) -> None:
    shift = helper.make_function(
        "here", "shift", ["at"], ["found"],
        [N("Constant", [], ["k"], value_int=3), N("Add", ["at", "k"], ["found"])], [helper.make_opsetid("", 18)],
    )  # fmt: skip
    nodes = [N("shift", ["ids"], ["i"], domain="here"), LOOK_UP]
    proto = model(
        nodes, [value("ids", ["N"], INT64)], [value("y", ["N", 4])], {"table": random((ROWS, 4))},
        opset=18, extra_opsets={"here": 1},
    )  # fmt: skip
    proto.functions.append(shift)
    assert facts_of(save(proto, tmp_path / "m.onnx")).tables == {"ids": (-3, 46)}


def test_branches_and_loops_are_entered(tmp_path: Path) -> None:
    passed = [
        helper.make_graph([N(op, ["ids"], [op])], op, [], [value(op, ["N"], INT64)]) for op in ("Identity", "Neg")
    ]
    choose = N("If", ["c"], ["i"], then_branch=passed[0], else_branch=passed[0])
    proto = model(
        [choose, LOOK_UP], [value("ids", ["N"], INT64), value("c", [], TensorProto.BOOL)], [value("y", ["N", 4])],
        {"table": random((ROWS, 4))},
    )  # fmt: skip
    assert facts_of(save(proto, tmp_path / "if.onnx")).tables == {"ids": (0, 49)}
    body = helper.make_graph(
        [N("Identity", ["go"], ["on"]), N("Identity", ["at"], ["same"]), N("Gather", ["table", "at"], ["row"])],
        "body",
        [value("k", [], INT64), value("go", [], TensorProto.BOOL), value("at", ["N"], INT64)],
        [value("on", [], TensorProto.BOOL), value("same", ["N"], INT64), value("row", ["N", 4])],
    )
    loop = N("Loop", ["trips", "", "ids"], ["last", "y"], body=body)
    constants = {"table": random((ROWS, 4)), "trips": np.array(2)}
    proto = model([loop], [value("ids", ["N"], INT64)], [value("y", [2, "N", 4])], constants)
    assert facts_of(save(proto, tmp_path / "loop.onnx")).tables == {"ids": (0, 49)}


@pytest.mark.parametrize(
    ("nodes", "masks"),
    [
        ([N("Equal", ["ids", "zero"], ["c"]), N("Where", ["c", "float one", "float one"], ["y"])], {"ids"}),
        ([N("Greater", ["ids", "zero"], ["c"]), N("Cast", ["c"], ["y"], to=1)], {"ids"}),
        ([N("Equal", ["ids", "ten"], ["c"]), N("Cast", ["c"], ["y"], to=1)], set()),
        (
            [
                N("Cast", ["ids"], ["f"], to=1), N("Sub", ["f", "float one"], ["s"]),
                N("Constant", [], ["large"], value_float=10000.0), N("Mul", ["s", "large"], ["y"]),
            ],
            {"ids"},
        ),
        (
            [
                N("Equal", ["ids", "zero"], ["c"]), N("Cast", ["c"], ["d"], to=1), N("Cast", ["ids"], ["f"], to=1),
                N("Div", ["d", "f"], ["y"]),
            ],
            set(),
        ),
    ],
)  # fmt: skip
def test_masks_by_what_is_done_with_them(nodes: list[onnx.NodeProto], masks: set[str], tmp_path: Path) -> None:
    assert facts(nodes, tmp_path).masks == masks


def test_a_table_goes_before_a_mask(tmp_path: Path) -> None:
    nodes = [
        N("Cast", ["ids"], ["m"], to=9), N("Cast", ["m"], ["mf"], to=1), N("Unsqueeze", ["mf", "last"], ["mu"]),
        N("Gather", ["table", "ids"], ["g"]), N("Mul", ["g", "mu"], ["y"]),
    ]  # fmt: skip
    found = facts(nodes, tmp_path)
    assert (found.tables, found.masks) == ({"ids": (0, 49)}, frozenset())


@pytest.mark.parametrize(
    ("name", "called"),
    [("attention_mask", 1), ("Mask", 1), ("padMask", 1), ("x.mask_1", 1), ("unmasked_counts", 0), ("MASKED", 1)],
)
def test_names_of_masks(name: str, called: int, tmp_path: Path) -> None:
    proto = model([N("Cast", [name], ["y"], to=1)], [value(name, ["N"], INT64)], [value("y", ["N"])])
    assert len(facts_of(save(proto, tmp_path / "m.onnx")).called_masks) == called


def test_a_deep_graph_is_no_fault(tmp_path: Path) -> None:
    chain = [N("Identity", ["ids" if k == 0 else f"v{k}"], [f"v{k + 1}"]) for k in range(3000)]
    nodes = [*chain, N("Cast", ["v3000"], ["y"], to=1)]
    assert facts(nodes, tmp_path).tables == {}


def test_a_wrong_row_behind_a_sum_is_found(tmp_path: Path) -> None:
    table = random((ROWS, 4))
    wrong = table.copy()
    wrong[20:] *= 3
    paths = []
    for name, rows in (("a", table), ("b", wrong)):
        nodes = [N("Add", ["ids", "one"], ["i"]), LOOK_UP]
        constants = {"table": rows, "one": np.array(1)}
        proto = model(nodes, [value("ids", ["N", "S"], INT64)], [value("y", ["N", "S", 4])], constants)
        paths.append(save(proto, tmp_path / f"{name}.onnx"))
    report = verify(*paths)
    assert not report.passed
    assert report.notes == ()


def test_a_guess_is_said_in_the_report(tmp_path: Path) -> None:
    proto = model([N("Cast", ["count"], ["y"], to=1)], [value("count", ["N"], INT64)], [value("y", ["N"])])
    path = save(proto, tmp_path / "m.onnx")
    assert verify(path, path).notes == ("input 'count' is drawn from 0..9; --range count:LO..HI gives another range",)
