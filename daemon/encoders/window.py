"""The window engine: the whole window is run again each time one ends.

It serves every Keras model: an LSTM stack runs fused (`daemon.encoders.fused`), any other model as
Keras built it, traced once.
"""

from __future__ import annotations

from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

from daemon.errors import UsageError
from daemon.records import Float32
from daemon.reorder import model_inputs
from daemon.ring import Ring
from daemon.text import clean

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
    # TensorFlow's own convolutions take channels first on a GPU only, XLA's take them anywhere.
    layers = model._flatten_layers()
    first = any(getattr(layer, "data_format", None) == "channels_first" for layer in layers)

    @tf.function(autograph=False, jit_compile=first or None)
    def classify(inputs: list[tf.Tensor]) -> tf.Tensor:
        return model(inputs if per_channel else inputs[0], training=False)

    def run(samples: Float32) -> Float32:
        with tf.device(device):
            inputs = [tf.constant(one) for one in model_inputs(samples, per_channel=per_channel)]
            try:
                output: Float32 = classify(inputs).numpy()[0]
            except tf.errors.OpError as error:
                # Before it stands where in Keras the operation was made.
                said = clean(str(error).rpartition("\n\n")[2].partition("\n")[0], 200)
                raise UsageError(f"the model does not run on {device}: {said}") from None
        return output

    return run
