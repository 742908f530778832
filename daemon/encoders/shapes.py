"""What a model takes and gives, held against its contract."""

from __future__ import annotations

from collections.abc import Sequence

from daemon.contract import Contract
from daemon.encoders.network import Network, Tensor, usual_layout
from daemon.errors import UsageError
from daemon.layout import (
    STANDARD,
    Layout,
    candidates,
    fits,
    layout_text,
    shape_of,
)

_SWAPPED: Layout = ("channels", "steps")
_FLOATS = ("float16", "bfloat16", "float32", "float64")


def check_fit(network: Network, contract: Contract) -> Layout:
    """How windows lie in the model's input, if it fits the contract.

    Returns
    -------
    Layout
        The contract's; without one `STANDARD`, or `PER_CHANNEL` for as many inputs as channels.

    Raises
    ------
    UsageError
        Inputs or outputs contradict the contract; says what both sides say, and the line of the
        contract that would fit.
    """
    steps, channels = contract.window, len(contract.inputs)
    several = len(network.inputs) > 1
    layout = contract.layout or usual_layout(network)
    if contract.layout and several:
        raise UsageError(
            f"the model takes {_shapes(network.inputs, 'input')}; layout: "
            f"{layout_text(contract.layout)} is for one input: remove it"
        )
    if len(network.inputs) != (channels if several else 1) or not all(
        fits(tensor.shape, layout, steps, channels) for tensor in network.inputs
    ):
        raise UsageError(_misfit(network, contract))
    require_windows(network)
    _check_outputs(network, contract)
    return layout


def require_windows(network: Network) -> None:
    """Make sure that the model takes windows of numbers, one at a time, whatever their layout.

    Raises
    ------
    UsageError
        It takes something else; or its one output is always 1.
    """
    if not network.inputs:
        raise UsageError("the model has no input")
    again = "export it again" if network.library == "ONNX Runtime" else "save it again"
    for tensor in network.inputs:
        if tensor.batch not in (None, 1):
            raise UsageError(
                f"the model's batch size is fixed to {tensor.batch}, but windows come one at a "
                f"time: build it without (or for a batch of 1) and {again}"
            )
        if tensor.dtype not in _FLOATS:
            raise UsageError(
                f"the model's input {tensor.name!r} takes {tensor.dtype}, EEG is float32: build "
                f"it for float32 and {again}"
            )
    one = len(network.outputs) == 1 and network.outputs[0].shape == (1,)
    if one and network.activation in ("softmax", "log_softmax"):
        raise UsageError(
            f"the model's one output is a {network.activation} over itself, which never changes: "
            "end it with a sigmoid, or with an output for each class"
        )


def _check_outputs(network: Network, contract: Contract) -> None:
    classes = len(contract.classes)
    accepted = [(classes,), (1,)] if classes == 2 else [(classes,)]
    if len(network.outputs) != 1 or network.outputs[0].shape not in accepted:
        raise UsageError(
            f"the model gives {_shapes(network.outputs, 'output')}; the contract says {classes} "
            f"classes ({', '.join(contract.classes)}), so one output (None, {classes})"
        )
    single, activation = network.outputs[0].shape == (1,), network.activation
    if contract.output == "logits":
        if activation in ("softmax", "sigmoid", "hard_sigmoid"):
            raise UsageError(
                f"the model ends in a {activation}, so it gives probabilities: write output: "
                "probabilities into the contract instead of logits"
            )
    elif single and activation is None and "output" not in contract.model_fields_set:
        raise UsageError(
            "nothing tells whether the model's one output is a probability: write output: "
            "probabilities into the contract, or output: logits"
        )
    elif single and activation not in (None, "sigmoid", "hard_sigmoid"):
        raise UsageError(
            f"the model's one output is {activation}, no probability: where it was trained with "
            "from_logits=True, write output: logits into the contract"
        )


def _misfit(network: Network, contract: Contract) -> str:
    steps, channels = contract.window, len(contract.inputs)
    inputs = network.inputs
    takes = f"the model takes {_shapes(inputs, 'input')}"
    width = channels if len(inputs) == 1 else 1
    as_swapped = {tensor.shape for tensor in inputs} == {(width, steps)}
    if network.library == "Keras" and as_swapped and len(inputs) in (1, channels):
        swapped = (
            f"{takes}, which swaps the axes: Keras reads a shape as (timesteps, features), so "
            f"it takes the {width} channel{'s'[: width > 1]} for {width} time "
            f"step{'s'[: width > 1]} of {steps} features; build it with "
            f"input_shape=({steps}, {width}) and retrain"
        )
        # A recurrent layer really goes along the first axis; others may have been meant so.
        if network.recurrent_first or len(inputs) > 1 or contract.layout:
            return swapped
        return f"{swapped}; if it was trained on windows that lie so, add to its contract: " + (
            f"layout: {layout_text(_SWAPPED)}"
        )
    found = candidates(inputs[0].shape, steps, channels) if len(inputs) == 1 else []
    says = f"the contract says {steps} steps of {channels} channels"
    if found and contract.layout:
        says += f" in the layout {layout_text(contract.layout)}"
    if len(found) == 1 and found[0] == STANDARD:
        return f"{takes}; {says}: remove the layout"
    if len(found) == 1 and contract.layout:
        return f"{takes}; {says}: write layout: {layout_text(found[0])} instead"
    if len(found) == 1:
        return f"{takes}; {says}, which lie so: add to the contract layout: {layout_text(found[0])}"
    if found:
        lines = " or ".join(f"layout: {layout_text(one)}" for one in found)
        return f"{takes}; {says}, which may lie in several ways: add to the contract {lines}"
    several = f" or {channels} inputs (None, {steps}, 1)" * (contract.layout is None)
    needed = (None, *shape_of(contract.layout or STANDARD, steps, channels))
    return f"{takes}; {says}, so one input {needed}{several}"


def _shapes(tensors: Sequence[Tensor], noun: str) -> str:
    """``2 inputs (None, 20, 1)``, or each different shape where they differ."""
    different = list(dict.fromkeys(map(str, tensors)))
    listed = ", ".join(different[:4]) + ", …" * (len(different) > 4)
    return f"{len(tensors)} {noun}{'s'[: len(tensors) != 1]} {listed}"
