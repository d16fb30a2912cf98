"""The shapes that the bodies of functions and loops see, which no file has to say.

A function takes what its calls pass; where two calls disagree the dim is unknown, since the body is shared. A loop
carries values from one turn to the next; where a turn changes a dim it is unknown, since the first turn's size is
not that of the others.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Sequence

import onnx_ir as ir

from fc2conv_cli.graphs import all_graphs


def infer_functions(model: ir.Model, run: Callable[[ir.Model], bool]) -> bool:
    """Give the inputs of local functions the shapes of their calls, and infer what is inside them.

    Args:
        model: The model, whose main graph has been inferred; changed in place.
        run: Infers a model in place, and says whether it got to the end.

    Returns:
        Whether everything could be inferred.
    """
    complete = True
    known: list[object] = []
    for _ in model.functions:  # a function's own calls are known once it has been inferred itself
        calls = _calls(model)
        before, known = known, []
        for key, function in model.functions.items():
            for i, inner in enumerate(function.inputs):
                passed = [call.inputs[i] for call in calls.get(key, []) if i < len(call.inputs)]
                _set(inner, [v for v in passed if v is not None])
                known.append((None if inner.shape is None else tuple(inner.shape.dims), inner.dtype))
            body = ir.Model(function.graph, ir_version=model.ir_version, functions=list(model.functions.values()))
            complete = run(body) and complete
        if known == before:
            break
    return complete


def _calls(model: ir.Model) -> dict[ir.OperatorIdentifier, list[ir.Node]]:
    calls: dict[ir.OperatorIdentifier, list[ir.Node]] = {}
    bodies: Iterable[ir.Graph | ir.Function] = (model.graph, *model.functions.values())
    for body in bodies:
        for node in body.all_nodes():
            if (key := node.op_identifier()) in model.functions:
                calls.setdefault(key, []).append(node)
    return calls


def _set(inner: ir.Value, passed: Sequence[ir.Value]) -> None:
    shapes = [v.shape for v in passed]
    inner.shape = _common([s for s in shapes if s is not None]) if shapes and None not in shapes else None
    dtypes = {v.dtype for v in passed}
    inner.type = ir.TensorType(dtype) if len(dtypes) == 1 and (dtype := dtypes.pop()) is not None else None


def _common(shapes: Sequence[ir.Shape]) -> ir.Shape | None:
    if len({shape.rank() for shape in shapes}) != 1:
        return None
    columns = zip(*(shape.dims for shape in shapes), strict=True)
    return ir.Shape([dims[0] if len(set(dims)) == 1 else None for dims in columns])


def widen_loops(model: ir.Model, declared: Container[ir.Value]) -> tuple[bool, list[ir.Node]]:
    """Forget what the inputs of loop bodies only have in the first turn, in all graphs and functions.

    Args:
        model: The model, inferred; the inputs of Loop and Scan bodies are changed in place.
        declared: Values whose shape the file itself says.

    Returns:
        Whether anything was forgotten, so that the model has to be inferred again; and the loops whose turns differ
        in rank, or may: nothing that comes of them is known.
    """
    changed = False
    unknown: list[ir.Node] = []
    for node in (node for graph in all_graphs(model) for node in graph):
        for before, after in _carried(node):
            if before.shape is None or after.shape is None:
                if before.shape is not None and before not in declared:
                    unknown.append(node)
                continue
            common = _common([before.shape, after.shape])
            if common is None:
                unknown.append(node)
            elif common != before.shape:
                changed, before.shape = True, common
    return changed, unknown


def forget(loops: Iterable[ir.Node]) -> None:
    """Drop the shapes of everything in and behind some loops."""
    queue = list(loops)
    seen = set(queue)
    while queue:
        node = queue.pop()
        inner = [a.as_graph() for a in node.attributes.values() if not a.is_ref() and a.type == ir.AttributeType.GRAPH]
        values = [*node.outputs, *(v for graph in inner for v in graph.inputs)]
        inside = [n for graph in inner for n in graph]
        for value in values:
            value.shape = None
        for reader in (*inside, *(use.node for value in values for use in value.uses())):
            if reader not in seen:
                seen.add(reader)
                queue.append(reader)


def _carried(node: ir.Node) -> list[tuple[ir.Value, ir.Value]]:
    """A loop body's inputs, each with the output that is its next value."""
    body = node.attributes.get("body")
    if node.domain != "" or body is None or body.type != ir.AttributeType.GRAPH:
        return []
    graph = body.as_graph()
    if node.op_type == "Loop":  # inputs are the turn, the condition, the carried ones; outputs lack the turn
        return list(zip(graph.inputs[2:], graph.outputs[1:], strict=False))
    if node.op_type == "Scan":
        states = len(node.inputs) - node.attributes.get_int("num_scan_inputs", 0)
        return list(zip(graph.inputs[:states], graph.outputs[:states], strict=False))
    return []
