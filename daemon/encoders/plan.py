"""Which engine a model will be run by, on which device, and why.

A plan costs nothing yet: `daemon.encoders.engines.build` makes the engine.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from typing import Literal

import tensorflow as tf

from daemon.encoders.fuse import NotFusableError
from daemon.encoders.lane import FUNCTIONS
from daemon.encoders.network import Network
from daemon.encoders.stack import Stack
from daemon.encoders.streaming import lane_count
from daemon.errors import UsageError
from daemon.layout import PER_CHANNEL, STANDARD, Layout
from daemon.per_window import NOTHING, PerWindow

Kind = Literal["auto", "streaming", "window"]
Device = Literal["auto", "gpu", "cpu"]

# Lanes' states and the gates of one step; beyond it a machine beside an amplifier has other needs.
MAX_LANE_BYTES = 4 << 30
# Share of the time between two samples, or two windows, that an engine may take: the rest is for
# bursts.
MAX_LOAD = 0.7
CPU, GPU = "/CPU:0", "/GPU:0"


@dataclass(frozen=True, slots=True)
class Job:
    """What has to be run: a model, on windows of which length, how often, given in which form.

    Attributes
    ----------
    network : Network
    layout : Layout
        `daemon.layout.PER_CHANNEL` for one input a channel.
    channels : int
    window, hop : int
        Steps.
    per_window : PerWindow
        What is done to each window before the model.
    logits : bool
        The model gives logits, not probabilities.
    """

    network: Network
    layout: Layout
    channels: int
    window: int
    hop: int
    per_window: PerWindow = NOTHING
    logits: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """How a model will be run, in words for the log.

    Attributes
    ----------
    job : Job
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
    seconds : float or None
        What a window takes, of the window engine, measured when it was built.
    """

    job: Job
    stack: Stack | None
    kind: Literal["streaming", "window"]
    why: str
    devices: tuple[str, ...]
    device_why: str
    seconds: float | None = None

    @property
    def device(self) -> str:
        """The device, or those from which it is yet to be chosen, for people."""
        return " or ".join(self.devices)

    def speed(self, sample_rate: float | None) -> str:
        """What a window takes, and the smallest hop that keeps up with a rate in Hz; in words."""
        if self.seconds is None:
            return ""
        takes = f"{self.seconds * 1e3:.2g} ms a window"
        if sample_rate is None:
            return takes
        least = least_hop(self.seconds, sample_rate)
        return f"{takes}: a window.hop of {least} or more keeps up at {sample_rate:g} Hz"


def least_hop(seconds: float, sample_rate: float) -> int:
    """Steps between windows that take ``seconds`` each, so that the next is not waited for."""
    return max(math.ceil(seconds * sample_rate / MAX_LOAD), 1)


def plan(job: Job, kind: Kind, device: Device) -> Plan:
    """Choose engine and device for a model.

    Raises
    ------
    UsageError
        The config asks for what this model or machine cannot give.
    """
    devices, device_why = choose_devices(device)
    try:
        stack = job.network.stack()
        if job.layout not in (STANDARD, PER_CHANNEL):
            raise NotFusableError("its windows lie in another order than [steps, channels]")
    except NotFusableError as reason:
        why = f"run as it was built, since it is no LSTM stack: {reason}"
        if kind == "streaming":
            raise UsageError(
                f"engine.kind: this model cannot be streamed, it is no LSTM stack: {reason}; "
                "use auto or window"
            ) from None
        if job.network.library == "ONNX Runtime":
            devices, device_why = (CPU,), "ONNX Runtime runs it on the CPU"
        return Plan(job, None, "window", why, devices[:1], device_why)
    against = _against_streaming(job, stack)
    if kind == "streaming" and against:
        raise UsageError(f"engine.kind: this model cannot be streamed: {against}")
    if kind == "window" or against:
        why = "an LSTM stack, run fused" + (f"; not streamed: {against}" if against else "")
        return Plan(job, stack, "window", why, devices, device_why)
    lanes = lane_count(job.window, job.hop)
    why = f"an LSTM stack, {lanes} window{'s' * (lanes > 1)} in flight: exact, and soonest"
    return Plan(job, stack, "streaming", why, devices, device_why)


def _against_streaming(job: Job, stack: Stack) -> str | None:
    window, hop = job.window, job.hop
    if job.per_window:
        return "per_window needs each window as a whole"
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
        return (CPU,), "engine.device is cpu"
    if gpus:
        details = tf.config.experimental.get_device_details(gpus[0])
        why = f"TensorFlow sees {details.get('device_name', gpus[0].name)}"
        # A GPU starts each step anew: at few windows at once a CPU can be many times faster.
        return ((GPU,) if device == "gpu" else (GPU, CPU)), why
    if os.environ.get("CUDA_VISIBLE_DEVICES") == "-1":
        why = "CUDA_VISIBLE_DEVICES hides every GPU (a start with engine.device cpu does, too)"
    elif tf.test.is_built_with_cuda():
        why = "TensorFlow sees no GPU (no NVIDIA driver, no GPU, or CUDA libraries missing)"
    else:
        why = "this TensorFlow was built without GPU support"
    if device == "gpu":
        raise UsageError(f"engine.device is gpu, but {why}; use auto or cpu")
    return (CPU,), why
