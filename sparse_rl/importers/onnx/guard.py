"""What our own ONNX models add so that numbers that are not finite become no action: taken out."""

from __future__ import annotations

from onnx import GraphProto


def without_guard(graph: GraphProto) -> None:
    """Takes the guard of `artifact.onnx_model` out of one of our models, where it has one.

    Behind ArgMax it is Where(IsNaN(...), -1, action), before the last sum Add(x, observation 0).
    Nodes that nothing depends on any more are not read.
    """
    made = {output: node for node in graph.node for output in node.output}
    last = graph.node[-1]
    if last.op_type == "Where" and len(last.input) == 3:
        asked, chosen = made.get(last.input[0]), made.get(last.input[2])
        if asked is not None and chosen is not None and asked.op_type == "IsNaN":
            chosen.output[0] = last.output[0]
            del graph.node[-1]
    elif last.op_type == "Add" and last.input:
        before = made.get(last.input[0])
        if before is not None and before.op_type == "Add" and len(before.input) == 2:
            tells = made.get(before.input[1])
            if (
                tells is not None
                and tells.op_type == "MatMul"
                and _is_zero(graph, tells.input[-1:])
            ):
                last.input[0] = before.input[0]


def _is_zero(graph: GraphProto, names: list[str]) -> bool:
    return any(one.name in names and not one.raw_data.strip(b"\0") for one in graph.initializer)
