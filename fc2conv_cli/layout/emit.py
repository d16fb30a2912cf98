"""Writes the planned convolutions into the graph, and everything between them in the layouts that were chosen.

    before      x ──(layout ops)──Gemm/MatMul──(Add)── y ── Relu ── ...

    after       x ──[layout]──Conv──(Mul)──(Add)── Relu ── ... ──[layout]── y

Nodes that can work in another layout are changed in place, layout nodes that do nothing any more go, and a value is
converted where somebody needs it otherwise than it is stored, once for all who do. `Mul` appears only when alpha cannot
be folded into the weight without overflow, `Add` only for a term that is no bias.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import onnx_ir as ir

from fc2conv_cli import layer_notes
from fc2conv_cli.constants import Constants
from fc2conv_cli.layer_notes import Arrangement, LayerNote
from fc2conv_cli.layout.builder import AttributeValue, Builder
from fc2conv_cli.layout.costs import Costs
from fc2conv_cli.layout.donors import Donors
from fc2conv_cli.layout.epilogue import Epilogue
from fc2conv_cli.layout.facts import Change
from fc2conv_cli.layout.kernels import Kernels, Stored
from fc2conv_cli.layout.layouts import Layout, between, is_logical, logical
from fc2conv_cli.layout.nodes import view_of
from fc2conv_cli.layout.quantizers import is_quantizer, result_dtype, undoes
from fc2conv_cli.layout.region import Choice, Option, writes_logical
from fc2conv_cli.layout.steps import steps
from fc2conv_cli.records import FullyConnected, Plan, PlannedLayer
from fc2conv_cli.sizes import Shape, Size


def emit(plan: Plan, build: Builder, constants: Constants) -> Mapping[ir.Value, Sequence[Stored]]:
    """Carry out a plan on the graphs of `build`, in place.

    What only the old nodes needed is still there afterwards: see `fc2conv_cli.cleanup`.

    Returns:
        The weights that were written, by the value that holds the original bytes.
    """
    kernels = Kernels(build, constants)
    outside: dict[ir.Value, ir.Value] = {}
    ends = (value for planned in plan.layers for value in (planned.layer.x, planned.layer.y))
    names = {value: value.name or "" for value in ends}  # before any of them becomes another
    for graph, choices in plan.choices.items():
        _Writer(graph, build, kernels, outside, names).write(choices)
    return kernels.stored


class _Writer:
    """Writes one graph, node by node in its order."""

    def __init__(
        self,
        graph: ir.Graph,
        build: Builder,
        kernels: Kernels,
        outside: dict[ir.Value, ir.Value],
        names: Mapping[ir.Value, str],
    ) -> None:
        self._graph = graph
        self._names = names  # what the file called the inputs and outputs of layers
        self._outside = outside  # what bodies read instead of a value
        self._build = build
        self._shapes = build.shapes
        self._kernels = kernels
        self._costs = Costs(graph, build.shapes)
        self._epilogue = Epilogue(build, lambda value, name: self._get(value, None, name))
        self._dtypes: dict[ir.Value, ir.DataType | None] = {}
        self._stored: dict[ir.Value, tuple[Layout, ir.Value]] = {}
        self._vanished: dict[ir.Value, ir.Node] = {}  # layout nodes that may yet be needed
        self._declared: dict[ir.Value, tuple[ir.TypeProtocol | None, ir.Shape | None]] = {}
        self._copies: dict[tuple[object, ...], ir.Value] = {}
        self._heads: dict[tuple[object, ...], tuple[ir.Value, ...]] = {}  # what layers repeat in front of them
        self._gone: list[ir.Node] = []
        self._donors = Donors(build.shapes, graph.inputs)

    def write(self, choices: Iterable[Choice]) -> None:
        """Write the units at the places of their anchors; every other node reads what it did before."""
        by_anchor = {choice.unit.anchor: choice for choice in choices}
        absorbed = {n for c in by_anchor.values() if c.unit.layer is not None for n in c.unit.layer.absorbed}
        for node in list(self._graph):
            choice = by_anchor.get(node)
            if choice is not None and choice.unit.layer is not None:
                self._layer(choice.unit.layer, choice.option)
            elif choice is not None and choice.option.change is not None:
                self._changed(node, choice.option.change)
            elif node not in absorbed:
                self._unchanged(node)
        gone = [*absorbed, *self._gone, *self._vanished.values()]
        self._build.released.extend(v for node in gone for v in node.inputs if v is not None)
        self._graph.remove(gone, safe=True)

    def _get(self, value: ir.Value, layout: Layout | None, name: str) -> ir.Value:
        """A value in a layout (None for the file's own), converted at most once."""
        if value not in self._stored:
            value = self._outside.get(value, value)
        if value not in self._stored and (layout is None or is_logical(layout)):
            return value
        shape = self._stored[value][0].source_shape if value in self._stored else layout.source_shape if layout else ()
        want = logical(shape) if layout is None else layout
        have, stored = self._stored.get(value, (logical(shape), value))
        if have.movement == want.movement:
            return stored
        key = (value, want.movement)
        if layout is None and value in self._vanished:
            self._copies[key] = value  # the node that was there does just this
            del self._vanished[value]
        if key not in self._copies and not self._costs.can_be_written(have, want):
            have, stored = logical(shape), self._get(value, None, name)
        if key not in self._copies:
            view = between(have, want)
            assert view is not None  # or it would have cost infinitely much
            dtype = self._dtypes.get(value, self._shapes.dtype(value))
            self._build.dtype = dtype
            self._copies[key] = self._build.steps(stored, steps(view), name, self._donors.led_by(stored))
        return self._copies[key]

    def _settle(self, value: ir.Value, layout: Layout, stored: ir.Value, dtype: ir.DataType | None) -> None:
        """Note how a value is stored, and give it as it was to the caller and to bodies."""
        self._dtypes[value] = dtype
        self._stored[value] = (layout, stored)
        outside = [use for use in value.uses() if use.node.graph is not self._graph]
        if not outside and not value.is_graph_output():
            return
        whole = self._outside[value] = self._get(value, None, value.name or "")
        for use in outside:
            use.node.replace_input_with(use.idx, whole)
        if value.is_graph_output():
            self._hand_over(value, whole, stored)

    def _hand_over(self, value: ir.Value, whole: ir.Value, stored: ir.Value) -> None:
        """Let `whole` be the output of the graph that `value` was."""
        if whole is value:
            return
        if whole.is_graph_input() or whole.is_graph_output() or whole.producer() is None:
            shape, dtype = self._shapes.shape(whole) or (), self._dtypes.get(value)
            label = self._build.fresh(f"{value.name}/identity")
            whole = self._build.node("Identity", [whole], {}, shape, label, dtype)
        name = value.name
        if stored is value:
            value.name = self._build.fresh(f"{name}_stored")
        whole.name = name
        declared_type, declared_shape = self._declared.get(value, (value.type, value.shape))
        whole.type, whole.shape = declared_type or whole.type, declared_shape
        whole.doc_string = value.doc_string
        whole.metadata_props.update(value.metadata_props)
        for i, output in enumerate(self._graph.outputs):
            if output is value:
                self._graph.outputs[i] = whole

    def _unchanged(self, node: ir.Node) -> None:
        """A node that works on values as the file stores them."""
        reads = [(i, v) for i, v in enumerate(node.inputs) if v is not None and v in self._stored]
        if reads:
            self._build.at(node, (node,), None)
        for i, value in reads:
            node.replace_input_with(i, self._get(value, None, node.name or value.name or ""))
        self._donors.add(node.outputs)

    def _changed(self, node: ir.Node, change: Change) -> None:
        """A node that works in other layouts."""
        self._build.at(node, (node,), None)
        name = node.name or node.outputs[0].name or node.op_type
        if change.vanishes:
            self._vanish(node, change, name)
        elif change.dims is not None:
            stored = self._get(_first(node), change.reads[0], name)
            shape = self._build.computed_shape(change.dims, Donors(self._shapes, [stored]), name)
            node.outputs[0].replace_all_uses_with(shape)
            self._gone.append(node)
        elif change.normalizes is not None:
            self._normalize(node, change, change.normalizes, name)
        elif not self._is_redundant(node, change, name):
            self._adapt(node, change, name)

    def _vanish(self, node: ir.Node, change: Change, name: str) -> None:
        """A layout node whose output is its input, unless somebody needs the output as the node makes it."""
        source, (own, *_), (written, *_) = _first(node), change.reads, change.writes
        assert own is not None
        assert written is not None
        dtype, output = self._dtypes.get(source, self._shapes.dtype(source)), node.outputs[0]
        stored = self._get(source, own, name)
        if stored is source and is_logical(own):
            self._vanished[output] = node
        else:
            self._gone.append(node)
        self._settle(output, written, stored, dtype)

    def _is_redundant(self, node: ir.Node, change: Change, name: str) -> bool:
        """Whether a QuantizeLinear now stands right behind the DequantizeLinear that it undoes; then it goes."""
        source, (own, *_) = _first(node), change.reads
        if node.op_type != "QuantizeLinear" or own is None:
            return False
        stored = self._get(source, own, name)
        maker, (written, *_) = stored.producer(), change.writes
        if stored is source or maker is None or written is None or not undoes(node, maker):
            return False
        integers = _first(maker)
        self._settle(node.outputs[0], written, integers, integers.dtype or self._shapes.dtype(integers))
        self._gone.append(node)
        return True

    def _normalize(self, node: ir.Node, change: Change, axis: int, name: str) -> None:
        """LayerNormalization over one stored axis, as its definition says it."""
        build, (own, *_), (written, *_) = self._build, change.reads, change.writes
        assert own is not None
        assert written is not None
        build.dtype = ir.DataType.FLOAT
        x = self._get(_first(node), own, name)
        shape = own.target_shape
        one = tuple(Size() if i == axis else size for i, size in enumerate(shape))

        def step(op: str, inputs: list[ir.Value], result: Shape) -> ir.Value:
            return build.node(op, inputs, {}, result, build.fresh(f"{name}/{op.lower()}"))

        epsilon = build.array(f"{name}.epsilon", np.array(node.attributes.get_float("epsilon", 1e-5), np.float32))
        apart = step("Sub", [x, build.mean(x, axis, one, f"{name}/mean")], shape)
        variance = build.mean(step("Mul", [apart, apart], shape), axis, one, f"{name}/variance")
        deviation = step("Sqrt", [step("Add", [variance, epsilon], one)], one)
        value = step("Div", [apart, deviation], shape)
        for op, (i, array) in zip(("Mul", "Add"), sorted(change.operands.items()), strict=False):
            value = step(op, [value, build.array(f"{name}.operand{i}", array)], shape)
        self._settle(node.outputs[0], written, value, ir.DataType.FLOAT)
        self._gone.append(node)

    def _adapt(self, node: ir.Node, change: Change, name: str) -> None:
        """Let a node read and write in other layouts, with whatever that takes."""
        for i, (v, own) in enumerate(zip(node.inputs, change.reads, strict=True)):
            if v is not None and (own is not None or v in self._stored):
                node.replace_input_with(i, self._get(v, own, name))
        for i, array in change.operands.items():
            node.replace_input_with(i, self._build.array(f"{name}.operand{i}", array))
        for key, number in change.attributes.items():
            node.attributes[key] = ir.AttrInt64s(key, number) if isinstance(number, list) else ir.AttrInt64(key, number)
        for v, own in zip(node.outputs, change.writes, strict=True):
            if own is not None:
                self._restore(v, own)

    def _restore(self, value: ir.Value, layout: Layout) -> None:
        """A value that its node now writes in another layout."""
        if is_logical(layout):
            return
        node, dtype = value.producer(), value.dtype or self._shapes.dtype(value)
        assert node is not None  # it was just changed
        node.metadata_props.pop(layer_notes.KEY, None)  # of an earlier conversion: it is stored otherwise from now on
        self._declared[value] = (value.type, value.shape)
        self._build.describe(value, layout.target_shape, dtype)
        self._build.at(node, (node,), dtype, after=True)
        self._settle(value, layout, value, dtype)

    def _layer(self, layer: FullyConnected, option: Option) -> None:
        form = option.form
        assert form is not None  # every option of a layer has one
        planned = PlannedLayer(layer, form)
        build, name = self._build, layer.node.name or self._build.fresh(layer.name)
        build.at(layer.absorbed[-1], layer.absorbed, layer.dtype)
        value, *quantization = self._read(planned, option, name)
        build.dtype = layer.dtype
        value = self._convolution(planned, value, quantization[1:], name)
        value = self._repeated(value, layer.tail, layer.dtype, name)
        tail = build.latest(len(layer.tail))
        dtype = self._shapes.dtype(value)
        ((_, written),) = option.writes
        if writes_logical(layer):
            view = between(form.write, written)
            assert view is not None
            build.dtype = dtype
            value = build.steps(value, steps(view), name, self._donors.led_by(value))
            if layer.integer is not None and layer.integer.rescale is not None:
                value = self._epilogue.rescaled(layer.integer.rescale, value, quantization[:1], name)
            value = self._epilogue.finished(layer, value, name)
            dtype = self._shapes.dtype(value)
        self._note(planned, option, value)
        if is_logical(written):
            build.take_over(layer.y, value, ())
            self._donors.add([value])
            self._outside[layer.y] = value
        else:
            self._settle(layer.y, written, value, dtype)
        for node, again in zip(layer.tail, tail, strict=True):
            again.name, node.name = node.name, None

    def _note(self, planned: PlannedLayer, option: Option, value: ir.Value) -> None:
        """Say on the node that gives a layer's output which layer it is, and how its values are stored."""
        layer, node = planned.layer, value.producer()
        assert node is not None  # the convolution at least
        ((x, read),), ((_, written),) = option.reads, option.writes
        views = [read]
        if layer.lifted:
            views += [view for n in layer.lifted if (view := view_of(n, self._shapes)) is not None]
            views.append(planned.form.read)
        whole = len(views) == 1 or len(views) == len(layer.lifted) + 2
        before = len(layer.head) + (layer.integer is not None and layer.integer.quantizes)
        reads = tuple(map(Arrangement.of, views)) if whole else None
        names = self._names.get(x, x.name or ""), self._names[layer.y]
        note = LayerNote(layer.name, layer.spelling, *names, reads, before, Arrangement.of(written.inverse()))
        node.metadata_props[layer_notes.KEY] = note.to_json()

    def _read(self, planned: PlannedLayer, option: Option, name: str) -> tuple[ir.Value, ...]:
        """The 4-D input, with its scale and zero point if they are computed here."""
        layer, form = planned.layer, planned.form
        ((value, read),) = option.reads
        source = self._get(value, read, name)
        quantizes = layer.integer is not None and layer.integer.quantizes
        key = (source, layer.lifted, form.read.movement if layer.lifted else None, layer.head, quantizes)
        if key not in self._heads:
            dtype = self._dtypes.get(value, self._shapes.dtype(value))
            for node in layer.lifted:
                shape = self._shapes.shape(node.outputs[0]) or ()
                source = self._build.repeat(node, source, shape, dtype, name)
            if layer.lifted:
                self._build.dtype = dtype
                source = self._build.steps(source, steps(form.read), name)
            source = self._repeated(source, layer.head, dtype, name)
            shape = form.read.target_shape
            self._heads[key] = self._build.dynamically_quantized(source, shape, name) if quantizes else (source,)
        return self._heads[key]

    def _repeated(self, value: ir.Value, nodes: Iterable[ir.Node], dtype: ir.DataType | None, name: str) -> ir.Value:
        """Nodes that compute each element on its own, once more, in the layout of `value`."""
        shape = self._shapes.shape(value) or ()
        for node in nodes:
            dtype = result_dtype(node, self._shapes) if is_quantizer(node, self._shapes) else dtype
            value = self._build.repeat(node, value, shape, dtype, f"{name}/{node.op_type.lower()}")
        return value

    def _convolution(
        self, planned: PlannedLayer, value: ir.Value, zero_point: Sequence[ir.Value], name: str
    ) -> ir.Value:
        layer, form = planned.layer, planned.form
        attributes: dict[str, AttributeValue] = {
            "dilations": [1, 1],
            "group": form.group,
            "kernel_shape": list(form.kernel_shape),
            "pads": [0, 0, 0, 0],
            "strides": [1, 1],
        }
        weight = self._kernels.weight(planned, name)
        if (integer := layer.integer) is not None:
            after = [
                self._get(v, None, name) if isinstance(v, ir.Value) else self._build.array(f"{name}.zero_point", v)
                for v in integer.after
            ]
            inputs = [value, *(self._get(v, None, name) for v in integer.before), weight, *zero_point, *after]
            return self._build.node(integer.op_type, inputs, attributes, form.write.target_shape, name)
        inputs = [value, weight]
        bias = self._kernels.bias(planned, name) if layer.folds_alpha else None
        inputs.extend([] if bias is None else [bias])
        return self._build.node("Conv", inputs, attributes, form.write.target_shape, name)


def _first(node: ir.Node) -> ir.Value:
    value = node.inputs[0]
    assert value is not None  # every operator that has a rule needs its first input
    return value
