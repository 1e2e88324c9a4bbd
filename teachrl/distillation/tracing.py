"""A function of tensors, its gradient included, as a straight line of tensor operations.

With small networks and minibatches most of a gradient step is no arithmetic: it is modules that call modules, and the
bookkeeping of automatic differentiation. The operations are the same each time, so that they can be written down once
(`torch.fx`), less what is said twice, and run from the list. They are PyTorch's own in PyTorch's own order, so that
results stay equal bit for bit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, fx
from torch.fx.experimental.proxy_tensor import make_fx

Line = Callable[..., tuple[Tensor, ...]]

_aten: Any = torch.ops.aten
_SAME = {_aten.detach.default, _aten.alias.default, _aten.lift_fresh_copy.default}
_RESHAPED = {_aten.view.default, _aten._unsafe_view.default, _aten.expand.default}
_FILLED = {_aten.zeros_like.default: 0, _aten.ones_like.default: 1, _aten.new_zeros.default: 0}
"""Operations that look at nothing but shapes."""
_NATIVE = frozenset(
    {
        "_log_softmax", "_log_softmax_backward_data", "abs", "add", "addmm", "bmm", "cat", "clamp", "div", "eq", "exp",
        "gather", "ge", "gt", "le", "log", "logical_and", "lt", "maximum", "minimum", "mm", "mul", "neg", "pow",
        "rsqrt", "scatter_add", "sigmoid", "sqrt", "stack", "sub", "sum", "t", "tanh", "transpose", "unsqueeze",
        "where",
    }
)  # fmt: skip
"""Operations that are called in half the time by their names in `torch`."""


def straight_line(function: Callable[..., Sequence[Tensor]], examples: Sequence[Tensor]) -> Line | None:
    """Writes down what a function does.

    Args:
        function: From tensors to tensors. Other tensors that it reads, such as weights, are read anew in each call;
            anything else is taken to stay what it is.
        examples: Its arguments.

    Returns:
        The same function of tensors of the examples' shapes and types; None if it cannot be written down, because it
        looks at what tensors hold, draws random numbers or changes tensors in place.
    """
    try:
        traced = make_fx(function)(*examples)
    except RuntimeError:
        return None
    graph = traced.graph
    graph.eliminate_dead_code()
    for node in graph.nodes:
        if node.target is _aten.logical_and_.default and len(node.args[0].users) == 1:
            node.target = _aten.logical_and.default  # in the gradient of clamp, on what nobody else looks at
    if any(_unfit(node.target) for node in graph.nodes):
        return None
    _leave_out(graph)
    values = _bind(traced)
    _own(graph)
    for node in graph.nodes:
        _call_by_name(node)
    graph.eliminate_dead_code()
    traced.recompile()
    return partial(traced.forward, *values)


def _unfit(target: Any) -> bool:
    if not isinstance(target, torch._ops.OpOverload):
        return False
    return target._schema.is_mutable or torch.Tag.nondeterministic_seeded in target.tags


def _leave_out(graph: fx.Graph) -> None:
    """Takes out what changes nothing and what was done before."""
    done: dict[Any, fx.Node] = {}
    for node in list(graph.nodes):
        same: fx.Node | None = None
        if node.op == "call_function":
            _simplify(node)
            same = _unchanged(node) or done.setdefault((node.target, _key(node.args), _key(node.kwargs)), node)
        elif node.op == "get_attr":
            same = done.setdefault(node.target, node)
        if same is not None and same is not node:
            node.replace_all_uses_with(same)
            graph.erase_node(node)


def _simplify(node: fx.Node) -> None:
    """Sums without what follows or changes nothing: axes of one entry, and axes that are kept to be dropped."""
    given: Any = node.args[0] if node.args else None
    if node.target is _aten.sum.dim_IntList and len(node.args) == 2:
        shape = given.meta["val"].shape
        if all(shape[axis] == 1 for axis in node.args[1]):  # type: ignore[union-attr]
            node.target, node.args = _aten.view.default, (given, list(node.meta["val"].shape))
    elif node.target is _aten.view.default and given.target is _aten.sum.dim_IntList and len(given.args) == 3:
        source, axes, _ = given.args
        left = [n for axis, n in enumerate(source.meta["val"].shape) if axis not in axes]
        if list(node.meta["val"].shape) == left:
            node.target, node.args = _aten.sum.dim_IntList, (source, axes)


def _unchanged(node: fx.Node) -> fx.Node | None:
    """Returns the argument that a node only hands on."""
    given: Any = node.args[0] if node.args else None
    if node.target in _SAME:
        return given  # type: ignore[no-any-return]
    if node.target is _aten.t.default and given.target is _aten.t.default:
        return given.args[0]  # type: ignore[no-any-return]
    if node.target is _aten.cat.default and len(given) == 1:
        return given[0]  # type: ignore[no-any-return]
    if node.target in _RESHAPED and given.meta["val"].shape == node.meta["val"].shape:
        return given  # type: ignore[no-any-return]
    return None


def _key(value: Any) -> Any:
    """Returns arguments as something to look up, in which 1, 1.0 and True differ."""
    if isinstance(value, list | tuple):
        return tuple(_key(part) for part in value)
    if isinstance(value, dict):
        return tuple((name, _key(part)) for name, part in value.items())
    return (type(value), value)


def _bind(traced: fx.GraphModule) -> list[Tensor]:
    """Makes arguments of what does not depend on the others: tensors that are read, and what is the same in every call.

    Returns their values.
    """
    graph, known, read = traced.graph, dict[fx.Node, Any](), dict[fx.Node, Any]()
    for node in graph.nodes:
        if node.op == "get_attr":
            read[node] = getattr(traced, str(node.target))
        elif node.target is _aten.t.default and node.args[0] in read:
            read[node] = read[node.args[0]].detach().t()  # a view, which changes with what it is of
        elif node.target in _FILLED:
            like = node.meta["val"]
            known[node] = torch.full(like.shape, _FILLED[node.target], dtype=like.dtype, device=like.device)
        elif node.op == "call_function" and all(source in known for source in node.all_input_nodes):
            known[node] = node.target(*fx.map_arg(node.args, known.__getitem__), **node.kwargs)
    values: list[Tensor] = []
    for node, value in reversed((known | read).items()):
        if node.users:
            with graph.inserting_before(next(iter(graph.nodes))):
                node.replace_all_uses_with(graph.placeholder(f"known_{len(values)}"))
            values.insert(0, value)
        graph.erase_node(node)
    return values


def _own(graph: fx.Graph) -> None:
    """Copies results that are not tensors of their own, so that they may be changed."""
    out = graph.output_node()
    given: list[fx.Node] = list(out.args[0])  # type: ignore[arg-type]
    with graph.inserting_before(out):
        for i, node in enumerate(given):
            if node in given[:i] or node.op == "placeholder" or not node.meta["val"].is_contiguous():
                given[i] = graph.call_function(_aten.clone.default, (node,), {"memory_format": torch.contiguous_format})
    out.args = (given,)


def _call_by_name(node: fx.Node) -> None:
    if not isinstance(node.target, torch._ops.OpOverload):
        return
    name = node.target._schema.name.removeprefix("aten::")
    if name in _NATIVE:
        node.target = getattr(torch, name)
    elif name in ("view", "expand"):
        node.op, node.target = "call_method", name
