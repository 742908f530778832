"""Which engine runs a model, on which device, and why.

The engine that comes out has been warmed up: it has compiled all that it needs and has shown on
random samples that its outputs are probabilities, and the user's own model's.
"""

from __future__ import annotations

import math
import os
import time
from dataclasses import dataclass, replace
from typing import Literal

import keras
import numpy as np
import tensorflow as tf

from daemon.encoders.fuse import NotFusableError, fuse
from daemon.encoders.fused import fused
from daemon.encoders.lane import FUNCTIONS
from daemon.encoders.stack import Stack
from daemon.encoders.streaming import StreamingEngine, lane_count
from daemon.encoders.window import Run, WindowEngine, as_built
from daemon.errors import EegdError, UsageError
from daemon.pipeline import Engine
from daemon.records import Float32
from daemon.reorder import split_channels

Kind = Literal["auto", "streaming", "window"]
Device = Literal["auto", "gpu", "cpu"]

# Lanes' states and the gates of one step; beyond it a machine beside an amplifier has other needs.
MAX_LANE_BYTES = 4 << 30
# Rounding of float32 sums in another order, over the short stretch, for outputs below 1.
AGREEMENT = 1e-5
# Share of the time between two samples that streaming may take: the rest is for bursts.
MAX_LOAD = 0.7
_STRETCH, _STRETCH_HOP = 16, 6
_CPU, _GPU = "/CPU:0", "/GPU:0"


@dataclass(frozen=True, slots=True)
class Plan:
    """How a model will be run, in words for the log.

    Attributes
    ----------
    stack : Stack or None
        The model as an LSTM stack, where it is one.
    kind : str
        ``streaming`` or ``window``.
    why : str
        Why this kind.
    devices : tuple of str
        TensorFlow's names for the devices that may run it; the one that does, once it is built.
    device_why : str
        Why these.
    """

    stack: Stack | None
    kind: Literal["streaming", "window"]
    why: str
    devices: tuple[str, ...]
    device_why: str

    @property
    def device(self) -> str:
        """The device, or those from which it is yet to be chosen, for people."""
        return " or ".join(self.devices)


def plan(model: keras.Model, kind: Kind, device: Device, *, window: int, hop: int) -> Plan:
    """Choose engine and device for ``model``.

    Raises
    ------
    UsageError
        The config asks for what this model or machine cannot give.
    """
    devices, device_why = choose_devices(device)
    try:
        stack = fuse(model)
    except NotFusableError as reason:
        why = f"run as Keras built it, since it is no LSTM stack: {reason}"
        if kind == "streaming":
            raise UsageError(
                f"engine.kind: this model cannot be streamed, it is no LSTM stack: {reason}; "
                "use auto or window"
            ) from None
        return Plan(None, "window", why, devices[:1], device_why)
    against = _against_streaming(stack, window, hop)
    if kind == "streaming" and against:
        raise UsageError(f"engine.kind: this model cannot be streamed: {against}")
    if kind == "window" or against:
        why = "an LSTM stack, run fused" + (f"; not streamed: {against}" if against else "")
        return Plan(stack, "window", why, devices, device_why)
    lanes = lane_count(window, hop)
    why = f"an LSTM stack, {lanes} window{'s' * (lanes > 1)} in flight: exact, and soonest"
    return Plan(stack, "streaming", why, devices, device_why)


def _against_streaming(stack: Stack, window: int, hop: int) -> str | None:
    unknown = {dense.activation for dense in stack.denses} - FUNCTIONS.keys()
    if unknown:
        return f"its activation {unknown.pop()!r} is not known to the streaming engine"
    needed = lane_bytes(stack) * lane_count(window, hop)
    if needed > MAX_LANE_BYTES:
        least = -(-window // (MAX_LANE_BYTES // lane_bytes(stack)))
        return (
            f"window.hop {hop} keeps {lane_count(window, hop)} windows in flight, which takes "
            f"{needed / 2**30:.1f} GiB of the {MAX_LANE_BYTES / 2**30:g} allowed; "
            f"a hop of {least} or more fits"
        )
    return None


def lane_bytes(stack: Stack) -> int:
    """What one window in flight takes: states before and after a step, and the widest gates."""
    units = [lstm.units for lstm in stack.lstms]
    return 4 * (2 * 2 * sum(units) + 2 * 4 * max(units))


def choose_devices(device: Device) -> tuple[tuple[str, ...], str]:
    """TensorFlow's names of the devices that may run an engine, and the reason in words.

    Raises
    ------
    UsageError
        ``gpu`` was asked for and TensorFlow sees none.
    """
    gpus = tf.config.list_physical_devices("GPU")
    if gpus:
        # TensorFloat-32 keeps 10 of a float32's 23 binary digits; exact means all of them.
        tf.config.experimental.enable_tensor_float_32_execution(False)
    if device == "cpu":
        return (_CPU,), "engine.device is cpu"
    if gpus:
        details = tf.config.experimental.get_device_details(gpus[0])
        why = f"TensorFlow sees {details.get('device_name', gpus[0].name)}"
        # A GPU starts each step anew: at few windows at once a CPU can be many times faster.
        return ((_GPU,) if device == "gpu" else (_GPU, _CPU)), why
    if os.environ.get("CUDA_VISIBLE_DEVICES") == "-1":
        why = "CUDA_VISIBLE_DEVICES hides every GPU (a start with engine.device cpu does, too)"
    elif tf.test.is_built_with_cuda():
        why = "TensorFlow sees no GPU (no NVIDIA driver, no GPU, or CUDA libraries missing)"
    else:
        why = "this TensorFlow was built without GPU support"
    if device == "gpu":
        raise UsageError(f"engine.device is gpu, but {why}; use auto or cpu")
    return (_CPU,), why


def build(
    plan: Plan,
    model: keras.Model,
    *,
    per_channel: bool,
    window: int,
    hop: int,
    step_rate: float | None = None,
) -> tuple[Engine, Plan]:
    """The engine of ``plan``, warmed up, and the plan that it came to.

    Of several devices the one is taken on which it takes the least time, measured here.

    Parameters
    ----------
    step_rate : float or None
        Steps a second, in Hz, of a live stream: a streaming engine that could not keep up with it
        gives way to the window engine, which skips windows instead. None, for a recording, lets it
        take its time.

    Raises
    ------
    UsageError
        The model's outputs are no probabilities.
    EegdError
        The engine does not answer what the model answers.
    """
    built = _fastest(plan, model, per_channel, window, hop)
    if plan.kind == "streaming" and step_rate is not None:
        seconds = built.seconds
        if seconds * step_rate > MAX_LOAD:
            least = math.ceil(hop * seconds * step_rate / MAX_LOAD)
            why = (
                f"{plan.why}, but a sample takes {seconds * 1e3:.2g} ms of the "
                f"{1e3 / step_rate:.2g} ms until the next; run fused instead, skipping windows "
                f"where it must (a window.hop of about {least} could be streamed)"
            )
            built = _fastest(replace(plan, kind="window", why=why), model, per_channel, window, hop)
    built.engine.restart()
    return built.engine, built.plan


@dataclass(frozen=True, slots=True)
class _Built:
    engine: Engine
    plan: Plan
    seconds: float  # of one sample of all lanes, or of one whole window


def _fastest(plan: Plan, model: keras.Model, per_channel: bool, window: int, hop: int) -> _Built:
    """The engine of ``plan`` on that of its devices where it takes least time, checked."""
    found = []
    for device in plan.devices:
        one = replace(plan, devices=(device,))
        engine = _engine(one, model, per_channel, window, hop)
        if plan.stack is not None:
            _require_probabilities(_require_agreement(one, model, per_channel))
        if isinstance(engine, StreamingEngine):
            seconds = engine.warm_up()
        else:
            noise = np.random.default_rng(0).normal(scale=10.0, size=(window, _channels(model)))
            samples = noise.astype(np.float32)
            _require_probabilities(_answer(engine, samples))  # may compile
            start = time.perf_counter()
            if len(plan.devices) > 1:
                _answer(engine, samples)
            seconds = time.perf_counter() - start
        found.append(_Built(engine, one, seconds))
    best = min(found, key=lambda built: built.seconds)
    if len(found) == 1:
        return best
    what = "a sample of all windows" if plan.kind == "streaming" else "a window"
    times = ", ".join(f"{built.seconds * 1e3:.2g} ms on {built.plan.device}" for built in found)
    why = f"{plan.device_why}; {what} takes {times}"
    return replace(best, plan=replace(best.plan, device_why=why))


def _engine(plan: Plan, model: keras.Model, per_channel: bool, window: int, hop: int) -> Engine:
    if plan.kind == "streaming":
        assert plan.stack is not None
        return StreamingEngine(plan.stack, window, hop, plan.device)
    if plan.stack is not None:
        run: Run = fused(plan.stack, window, plan.device)
    else:
        run = as_built(model, plan.device, per_channel=per_channel)
    return WindowEngine(run, _channels(model), window)


def _require_probabilities(output: Float32) -> None:
    """Refuse a model whose output for one window, (outputs,), is no distribution."""
    total = 1.0 if len(output) == 1 else float(output.sum())
    # Written so that a NaN fails.
    if not (output.min() >= 0 and output.max() <= 1 + 1e-3 and abs(total - 1) <= 1e-3):
        shown = ", ".join(f"{value:.4g}" for value in output)
        raise UsageError(
            f"the model's outputs are no probabilities (for random samples: {shown}); "
            "end the model with a softmax over the classes, or one sigmoid"
        )


def _require_agreement(plan: Plan, model: keras.Model, per_channel: bool) -> Float32:
    """Hold the engine against the user's own model on a short random stretch.

    What comes back is one of the outputs, (outputs,).
    """
    # As a functional model with a list of inputs, whatever the user's model is.
    graph = keras.Model(model.inputs, model.outputs[0])
    inputs = [keras.Input((_STRETCH, tensor.shape[-1])) for tensor in model.inputs]
    with tf.device(_CPU):
        short = keras.models.clone_model(graph, inputs)
        short.set_weights(graph.get_weights())
    engine = _engine(plan, short, per_channel, _STRETCH, _STRETCH_HOP)
    noise = np.random.default_rng(1).normal(size=(_STRETCH + _STRETCH_HOP, _channels(model)))
    samples = noise.astype(np.float32)
    answers = [_answer(engine, samples[:_STRETCH])]
    # The second window comes as it does live, sample by sample.
    engine.catch_up()
    for n in range(_STRETCH, len(samples) - 1):
        engine.feed(samples[n : n + 1], False)
        engine.catch_up()
    answers.append(_answer(engine, samples[-1:]))
    both = np.stack([samples[:_STRETCH], samples[_STRETCH_HOP:]])
    with tf.device(_CPU):
        inputs = split_channels(both) if per_channel else [both]
        # As `predict` calls it: then no layer draws lots, however it was called when it was built.
        expected = np.asarray(short(inputs, training=False))
    difference = float(np.abs(np.stack(answers) - expected).max())
    if not difference <= AGREEMENT:
        raise EegdError(
            f"the {plan.kind} engine differs from the model itself by {difference:.2g} on random "
            f"samples, more than {AGREEMENT:g}; not starting. Please report the layers that "
            "`eegd inspect` shows"
        )
    return answers[-1]


def _answer(engine: Engine, samples: Float32) -> Float32:
    answer = engine.feed(samples, True)
    assert answer is not None
    return answer


def _channels(model: keras.Model) -> int:
    inputs = model.inputs
    return len(inputs) if len(inputs) > 1 else int(inputs[0].shape[-1])
