"""The window engine: the whole window is run again each time one ends.

It serves every Keras model. An LSTM stack runs fused, each layer a compiled loop over time; any
other model runs as Keras built it, traced once.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from daemon.encoders.stack import Recurrence, Stack
from daemon.records import Float32
from daemon.reorder import model_inputs
from daemon.ring import Ring

CHUNK = 1024  # steps of one compiled call

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
    """Run an LSTM stack over whole windows, layer by layer and chunk by chunk.

    What a layer takes from the one below is projected for a whole chunk in one matrix product, so
    that a step reads only the recurrent weights. While a layer works on a chunk, the one above
    works on the chunk before it, so that two cores are busy with one window.
    """
    recurrence = Recurrence(stack)
    layers = [_layer(recurrence, n) for n in range(len(stack.lstms))]
    head = tf.function(recurrence.head, jit_compile=True, autograph=False)
    threads = ThreadPoolExecutor(2 * len(layers), "layers")
    zero = [
        _known((None, *recurrence.zero_state(1)[2 * n : 2 * n + 2])) for n in range(len(layers))
    ]

    def advance(layer: int, below: Future[Any], state: Future[Any]) -> tuple[tf.Tensor, ...]:
        outputs, (_, h, c) = below.result()[0], state.result()
        with tf.device(device):
            return layers[layer](outputs, h, c)  # type: ignore[no-any-return]

    def run(samples: Float32) -> Float32:
        (batch,) = model_inputs(samples, per_channel=False)
        steps = np.ascontiguousarray(batch.transpose(1, 0, 2))
        states = list(zero)
        # Every piece of work is submitted after all that it waits for: none waits for ever.
        for start in range(0, window, CHUNK):
            below = _known((tf.constant(steps[start : start + CHUNK]),))
            for layer, state in enumerate(states):
                below = states[layer] = threads.submit(advance, layer, below, state)
        outputs = states[-1].result()[0]
        with tf.device(device):
            output: Float32 = head(outputs[-1]).numpy()[0]
        return output

    return run


def _known(value: tuple[Any, ...]) -> Future[Any]:
    future: Future[Any] = Future()
    future.set_result(value)
    return future


def _layer(recurrence: Recurrence, layer: int) -> Any:
    """(steps (n, 1, inputs), h, c) → (outputs (n, 1, units), h, c) of one layer."""

    @tf.function(jit_compile=True, autograph=False)
    def advance(steps: tf.Tensor, h: tf.Tensor, c: tf.Tensor) -> tuple[tf.Tensor, ...]:
        n = steps.shape[0]
        projected = recurrence.project(layer, steps)

        def step(
            t: tf.Tensor, h: tf.Tensor, c: tf.Tensor, outputs: tf.TensorArray
        ) -> tuple[tf.Tensor, ...]:
            h, c = recurrence.cell(layer, projected[t], h, c)
            return t + 1, h, c, outputs.write(t, h)

        outputs = tf.TensorArray(tf.float32, n, element_shape=h.shape)
        _, h, c, outputs = tf.while_loop(
            lambda t, *_: t < n, step, (0, h, c, outputs), maximum_iterations=n
        )
        return outputs.stack(), h, c

    return advance


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
