"""The window engine: the whole window is run again each time one ends.

It serves every Keras model: an LSTM stack runs fused (`daemon.encoders.fused`), any other model as
Keras built it, traced once.
"""

from __future__ import annotations

from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

from daemon.records import Float32
from daemon.reorder import model_inputs
from daemon.ring import Ring

Run = Callable[[Float32], Float32]
"""One window, channel-major (channels, steps), to the model's output, (outputs,)."""


class WindowEngine:
    """Keeps the last window and runs ``run`` on it; see `daemon.pipeline.Engine`."""

    def __init__(self, run: Run, channels: int, window: int) -> None:
        self._run = run
        self._shape = (channels, window)
        self.restart()

    def restart(self) -> None:
        self._ring = Ring(*self._shape, np.float32)

    def feed(self, block: Float32, answer: bool) -> Float32 | None:
        self._ring.push(block)
        return self._run(self._ring.window()) if answer else None

    def catch_up(self) -> None:
        """Nothing is ever put off."""


def as_built(model: keras.Model, device: str, *, per_channel: bool) -> Run:
    """Run any model as it is: one input (1, steps, channels), or one (1, steps, 1) per channel."""

    @tf.function(autograph=False)
    def classify(inputs: list[tf.Tensor]) -> tf.Tensor:
        return model(inputs if per_channel else inputs[0], training=False)

    def run(samples: Float32) -> Float32:
        with tf.device(device):
            inputs = [tf.constant(one) for one in model_inputs(samples, per_channel=per_channel)]
            output: Float32 = classify(inputs).numpy()[0]
        return output

    return run
