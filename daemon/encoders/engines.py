"""Which engine runs a model, on which device, and why.

The engine that comes out has been warmed up: it has compiled all that it needs and has shown on
random samples that its outputs are probabilities.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import keras
import numpy as np
import tensorflow as tf

from daemon.encoders.fuse import NotFusableError, fuse
from daemon.encoders.stack import Stack
from daemon.encoders.window import Run, WindowEngine, as_built, fused
from daemon.errors import UsageError
from daemon.pipeline import Engine
from daemon.records import Float32

Kind = Literal["auto", "streaming", "window"]
Device = Literal["auto", "gpu", "cpu"]


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
    device : str
        TensorFlow's name for the device.
    device_why : str
        Why this device.
    """

    stack: Stack | None
    kind: Literal["streaming", "window"]
    why: str
    device: str
    device_why: str


def plan(model: keras.Model, kind: Kind, device: Device) -> Plan:
    """Choose engine and device for ``model``.

    Raises
    ------
    UsageError
        The config asks for what this model or machine cannot give.
    """
    try:
        stack = fuse(model)
        why = "an LSTM stack, run fused"
    except NotFusableError as reason:
        stack = None
        why = f"run as Keras built it, since it is no LSTM stack: {reason}"
    if kind == "streaming":
        raise UsageError("engine.kind: this version has no streaming engine; use auto or window")
    name, device_why = choose_device(device)
    return Plan(stack, "window", why, name, device_why)


def choose_device(device: Device) -> tuple[str, str]:
    """TensorFlow's name of the device to run on, and the reason in words.

    Raises
    ------
    UsageError
        ``gpu`` was asked for and TensorFlow sees none.
    """
    if device == "cpu":
        return "/CPU:0", "engine.device is cpu"
    gpus = tf.config.list_physical_devices("GPU")
    if gpus:
        details = tf.config.experimental.get_device_details(gpus[0])
        return "/GPU:0", f"TensorFlow sees {details.get('device_name', gpus[0].name)}"
    if tf.test.is_built_with_cuda():
        why = "TensorFlow sees no GPU (no NVIDIA driver, no GPU, or CUDA libraries missing)"
    else:
        why = "this TensorFlow was built without GPU support"
    if device == "gpu":
        raise UsageError(f"engine.device is gpu, but {why}; use auto or cpu")
    return "/CPU:0", why


def build(plan: Plan, model: keras.Model, *, per_channel: bool, window: int) -> Engine:
    """The engine of ``plan``, warmed up.

    Raises
    ------
    UsageError
        The model's outputs are no probabilities.
    """
    channels = len(model.inputs) if per_channel else model.inputs[0].shape[-1]
    if plan.stack is not None:
        run = fused(plan.stack, window)
    else:
        run = as_built(model, per_channel=per_channel)
    run = _on_device(_as_probabilities(run), plan.device)
    noise = np.random.default_rng(0).normal(scale=10.0, size=(channels, window))
    require_probabilities(run(noise.astype(np.float32)))
    return WindowEngine(run, channels, window)


def require_probabilities(output: Float32) -> None:
    """Refuse a model whose output for one window, (classes,), is no distribution.

    Raises
    ------
    UsageError
    """
    finite = bool(np.isfinite(output).all())
    if not finite or output.min() < 0 or abs(float(output.sum()) - 1) > 1e-3:
        shown = ", ".join(f"{value:.4g}" for value in output)
        raise UsageError(
            f"the model's outputs are no probabilities (for random samples: {shown}); "
            "end the model with a softmax over the classes, or one sigmoid"
        )


def _as_probabilities(run: Run) -> Run:
    """One sigmoid output p counts as two classes, with 1 - p and p."""

    def classes(samples: Float32) -> Float32:
        output = run(samples)
        return output if len(output) > 1 else np.concatenate([1 - output, output])

    return classes


def _on_device(run: Run, device: str) -> Run:
    def placed(samples: Float32) -> Float32:
        with tf.device(device):
            return run(samples)

    return placed
