"""What `eegd inspect` tells of a model: its layers, how it will be run, and its contract.

For a bare file the contract is one to paste, with what the file says filled in.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from daemon.config import WindowConfig
from daemon.contract import Contract, is_bundle
from daemon.encoders import architectures, engines, loading
from daemon.encoders.loading import LoadedModel
from daemon.encoders.network import Network
from daemon.encoders.plan import CPU, Job, Plan, plan
from daemon.encoders.shapes import require_windows
from daemon.errors import UsageError
from daemon.layout import LAYOUTS, PER_CHANNEL, STANDARD, Layout, layout_text, readings

_FEWEST = 64  # values of a flat window of EEG: a second of one channel, at the least
_MOST = 1 << 24  # values of a window: a thousand channels at full length
_PROBED = 3  # random windows by whose outputs logits are known


@dataclass(frozen=True)
class Guess:
    """What a bare model file says of its contract; None where it says nothing.

    Attributes
    ----------
    layouts : tuple of Layout
        Those that its input may have, the likeliest first.
    steps, channels : int or None
        With the first of them.
    classes : int
    logits : bool
        It gives logits.
    swapped : bool
        Recurrent layers would go over fewer steps than there are channels.
    """

    layouts: tuple[Layout, ...]
    steps: int | None
    channels: int | None
    classes: int
    logits: bool
    swapped: bool = False


@dataclass(frozen=True)
class Described:
    """A model file, for people and machines; ``guess`` instead of ``loaded`` for a bare file."""

    path: Path
    network: Network
    plan: Plan | None
    loaded: LoadedModel | None
    guess: Guess | None

    def text(self) -> str:
        """A line for each fact."""
        lines = [*self._bundle_lines()] if self.loaded else []
        network = self.network
        lines.append(f"parameters {network.parameters:,}")
        for one in network.layers:
            lines.append(f"  {one.kind:<14} {one.name:<24} {one.parameters:>10,}")
        lines.append(f"takes      {_listed(network.inputs)}")
        lines.append(f"gives      {_listed(network.outputs)}")
        if self.plan is not None:
            lines.append(f"engine     {self.plan.kind}: {self.plan.why}")
            lines.append(f"device     {self.plan.device}: {self.plan.device_why}")
            rate = self.loaded.contract.step_rate if self.loaded else None
            if speed := self.plan.speed(rate):
                lines.append(f"speed      {speed}")
        if self.guess is not None:
            lines.append("contract   none: a bare model file; fill in and paste into config.yaml:")
            lines += ["", *contract_lines(self.path, self.guess)]
        return "\n".join(lines)

    def _bundle_lines(self) -> list[str]:
        loaded = self.loaded
        assert loaded is not None
        lines = [
            f"bundle     {loaded.bundle_sha256 or 'no manifest: made by hand'}",
            f"sha256     {loaded.sha256}",
            f"verdict    {loaded.verdict or 'none (no report with this model)'}",
        ]
        for key, value in loaded.contract:
            shown = ", ".join(map(str, value)) if isinstance(value, tuple) else value
            lines.append(f"{key:<12} {shown}")
        contract = loaded.contract
        seconds = contract.window / contract.step_rate
        lines.append(f"seconds      {seconds:g} a window, {contract.step_rate:g} steps a second")
        lines.append(f"inputs       {', '.join(contract.inputs)}")
        return lines

    def as_dict(self) -> dict[str, Any]:
        """For machines."""
        facts = model_facts(self.network, self.loaded, self.plan)
        if self.guess is not None:
            facts["layouts"] = [layout_text(layout) for layout in self.guess.layouts]
            facts["output"] = "logits" if self.guess.logits else "probabilities"
        return facts


def described(path: Path) -> Described:
    """Describe the bundle or bare model file at ``path``.

    Raises
    ------
    UsageError
        It cannot be loaded, or no contract fits it.
    """
    if is_bundle(path):
        loaded = loading.load(path, None)
        planned = plan(loaded.job(WindowConfig().hop), "auto", "auto")
        return Described(path, loaded.network, _timed(planned), loaded, None)
    network, _ = loading.load_network(path)
    try:
        guess = guessed(network)
    except UsageError as error:
        raise UsageError(f"model {path}: {error}") from None
    steps = guess.steps or (architectures.WINDOW if guess.channels else None)
    if steps is None or guess.channels is None:
        return Described(path, network, None, None, guess)
    layout = guess.layouts[0]
    hop = WindowConfig().hop
    job = Job(network, layout, guess.channels, steps, hop, logits=guess.logits)
    return Described(path, network, _timed(plan(job, "auto", "auto")), None, guess)


def _timed(planned: Plan) -> Plan:
    """The plan; that of a window engine once the engine has been built and tried."""
    return engines.build(planned)[1] if planned.stack is None else planned


def guessed(network: Network) -> Guess:
    """What ``network``'s shapes say of its contract.

    Raises
    ------
    UsageError
        No contract can fit: it takes something else than windows of samples.
    """
    require_windows(network)
    inputs, outputs = network.inputs, network.outputs
    shape = inputs[0].shape
    classes = outputs[0].shape[0] if len(outputs) == 1 and len(outputs[0].shape) == 1 else None
    if classes is None:
        raise UsageError(
            f"this model gives {_listed(outputs)}; a classifier has one output (None, classes)"
        )
    layouts: tuple[Layout, ...]
    steps: int | None = None
    channels: int | None = None
    if len(inputs) > 1:
        if {one.shape[1:] for one in inputs} != {(1,)} or len({one.shape for one in inputs}) > 1:
            raise UsageError(
                f"this model takes {len(inputs)} inputs {_listed(inputs)}, which are not one of "
                "(steps, 1) for each channel"
            )
        layouts, steps, channels = (PER_CHANNEL,), shape[0], len(inputs)
    elif len(shape) == 1:
        _require_flat_window(shape[0])
        layouts = LAYOUTS[-2:]
    else:
        found = readings(shape)
        if network.recurrent_first:  # which goes along the first axis, whatever was meant by it
            found = [one for one in found if one[0][0] == "steps"]
        if not found:
            raise UsageError(
                f"this model takes {inputs[0]}, which no layout of steps and channels fits: it is "
                "no window of samples"
            )
        layouts = tuple(layout for layout, _, _ in found)
        _, steps, channels = found[0]
    if (steps or 1) * (channels or 1) > _MOST:
        raise UsageError(f"this model takes {_listed(inputs)}: no computer holds such a window")
    logits = _gives_logits(network, layouts[0], steps, channels)
    swapped = network.recurrent_first and bool(steps and channels and steps < channels)
    return Guess(layouts, steps, channels, 2 if classes == 1 else classes, logits, swapped)


def _require_flat_window(values: int | None) -> None:
    spectrum = values is not None and values > 2 and (values - 1) & (values - 2) == 0
    if values is None or values < _FEWEST or spectrum:
        what = "features" if not spectrum else "the bins of a spectrum"
        raise UsageError(
            f"this model takes {values or 'any number of'} values a window that are no samples "
            f"(more likely {what}): eegd gives a model samples, so the features have to be "
            "computed by layers of the model itself"
        )


def _gives_logits(
    network: Network, layout: Layout, steps: int | None, channels: int | None
) -> bool:
    if network.activation is not None:
        return network.activation not in ("softmax", "sigmoid", "hard_sigmoid")
    if channels is None:
        return False
    run = network.run(CPU, layout)
    noise = np.random.default_rng(0)
    size = (channels, steps or 256)
    outputs = [run(noise.normal(size=size).astype(np.float32)) for _ in range(_PROBED)]
    return not all(engines.is_distribution(output) for output in outputs)


def contract_lines(path: Path, guess: Guess) -> list[str]:
    """The ``model`` section of a config, with what is known filled in."""
    fill = "<- fill in: "
    count = f"the {guess.channels} labels" if guess.channels else "the labels"
    lines = [
        "model:",
        f"  path: {path}",
        "  contract:",
        f"    sample_rate:     # {fill}Hz, of the samples that it was trained on",
        f"    window: {guess.steps}" if guess.steps else f"    window:          # {fill}steps",
        f"    channels: []     # {fill}{count}, in the model's order",
        "    unit: microvolts # of the samples that it was trained on",
        f"    classes: []      # {fill}{guess.classes}, in the order of its outputs",
    ]
    if guess.swapped:
        lines.append(
            f"    # Recurrent layers go over {guess.steps} steps of {guess.channels} channels.\n"
            f"    # If it has {guess.steps} channels, the axes are swapped: build it with\n"
            f"    # input_shape=({guess.channels}, {guess.steps}) and train it again."
        )
    layout, *others = guess.layouts
    if layout not in (STANDARD, PER_CHANNEL) or others:
        also = f"  # or, by its shape alone, {' or '.join(map(layout_text, others))}"
        lines.append(f"    layout: {layout_text(layout)}{also if others else ''}")
    if guess.logits:
        lines.append("    output: logits")
    lines += [
        "    conditioning: [] # causal filters that the training data went through",
        "    per_window: []   # what was done to each window by itself: demean, zscore, ...",
    ]
    return lines


def model_facts(
    network: Network, loaded: LoadedModel | None, planned: Plan | None
) -> dict[str, Any]:
    """What `eegd inspect` and `eegd run --check` tell machines; ``loaded`` None: a bare file."""
    contract: Contract | None = loaded.contract if loaded else None
    return {
        "model": str(loaded.path) if loaded else None,
        "sha256": loaded.sha256 if loaded else None,
        "bundle_sha256": loaded.bundle_sha256 if loaded else None,
        "verdict": loaded.verdict if loaded else None,
        "contract": contract.model_dump(mode="json") if contract else None,
        "parameters": network.parameters,
        "layers": [
            {"type": one.kind, "name": one.name, "parameters": one.parameters}
            for one in network.layers
        ],
        "inputs": [[one.batch, *one.shape] for one in network.inputs],
        "outputs": [[one.batch, *one.shape] for one in network.outputs],
        "engine": planned.kind if planned else None,
        "engine_why": planned.why if planned else None,
        "device": planned.device if planned else None,
        "device_why": planned.device_why if planned else None,
        "seconds_a_window": planned.seconds if planned else None,
    }


def _listed(tensors: Sequence[object]) -> str:
    different = list(dict.fromkeys(map(str, tensors)))
    times = f"{len(tensors)} of " * (len(tensors) > 1 and len(different) == 1)
    return times + ", ".join(different[:4]) + ", …" * (len(different) > 4)
