"""The window engine: the whole window is run again each time one ends.

It serves every Keras model. An LSTM stack runs fused, each layer a compiled loop over time; any
other model runs as Keras built it, traced once.
"""

from __future__ import annotations

from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

from daemon.encoders.stack import Recurrence, Stack
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


def fused(stack: Stack, window: int, device: str) -> Run:
    """Run an LSTM stack over whole windows, layer by layer.

    What a layer takes from the one below is projected for all steps in one matrix product, so that
    a step reads only the recurrent weights.
    """
    recurrence = Recurrence(stack)

    @tf.function(
        input_signature=[tf.TensorSpec((1, window, stack.channels), tf.float32)],
        jit_compile=True,
        autograph=False,
    )
    def classify(samples: tf.Tensor) -> tf.Tensor:
        sequence = tf.transpose(samples, (1, 0, 2))
        state = recurrence.zero_state(1)
        for layer, lstm in enumerate(stack.lstms):
            projected = recurrence.project(layer, sequence)
            outputs = tf.TensorArray(tf.float32, window, element_shape=(1, lstm.units))

            def step(
                t: tf.Tensor,
                h: tf.Tensor,
                c: tf.Tensor,
                outputs: tf.TensorArray,
                layer: int = layer,
                projected: tf.Tensor = projected,
            ) -> tuple[tf.Tensor, ...]:
                h, c = recurrence.cell(layer, projected[t], h, c)
                return t + 1, h, c, outputs.write(t, h)

            _, last, _, outputs = tf.while_loop(
                lambda t, *_: t < window,
                step,
                (0, state[2 * layer], state[2 * layer + 1], outputs),
                maximum_iterations=window,
            )
            sequence = outputs.stack()
        return recurrence.head(last)

    def run(samples: Float32) -> Float32:
        with tf.device(device):
            output: Float32 = classify(model_inputs(samples, per_channel=False)[0]).numpy()[0]
        return output

    return run


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
