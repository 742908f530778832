"""Both encoders in the form in which they are trained, and from there to the source's own.

Rules that hold here:

- No weight depends on a window's length: an encoder takes windows of any length, and is exported
  for any.
- A channel's LSTM layers are one array over all channels, so that a step advances all at once.
- What is exported has the same output, or is not exported.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import keras
import numpy as np
import tensorflow as tf

from daemon.encoders.architectures import channel_lstm, common_lstm
from daemon.errors import EegdError
from daemon.records import Float32
from daemon.reorder import split_channels
from daemon.training.recurrence import COMMON, GATES, lstm, per_channel

Kind = Literal["channel", "common"]

UNITS: dict[Kind, tuple[int, ...]] = {"channel": (128, 64), "common": (256, 128, 64)}

_CHECKED_STEPS, _CHECKED_WINDOWS = 64, 4
_TOLERANCE = 1e-5  # some ten times what sums in another order differ by, of probabilities


class Encoder(keras.Model):  # type: ignore[misc]
    """The channel or the common encoder, (batch, steps, channels) → (batch, classes) probabilities.

    Parameters
    ----------
    kind : "channel" or "common"
    channels, classes : int
    seed : int
        Of the first weights, which are drawn as Keras draws them.
    units : sequence of int, optional
        Of the LSTM layers over all channels; `UNITS` by default.
    channel_units : int
        Of each channel's own LSTM, where the encoder has them.

    Attributes
    ----------
    entering : int
        Values that enter the common layers at each step.
    channel_weights : tuple of variables
        Kernel and bias, (4, channels, units), and between them the recurrent weights,
        (4, channels, units before, units after).
    common_weights : list of tuple of variables
        Of each layer: kernel, recurrent weights and bias, as Keras has them.
    head : tuple of variables
        Kernel (units, classes) and bias.
    """

    def __init__(
        self,
        kind: Kind,
        channels: int,
        classes: int,
        *,
        seed: int = 0,
        units: Sequence[int] | None = None,
        channel_units: int = 1,
    ) -> None:
        super().__init__()
        self.kind: Kind = kind
        self.channels, self.classes = channels, classes
        self.units = tuple(units or UNITS[kind])
        self.channel_units = channel_units
        seeds = np.random.default_rng(seed)
        below = channels
        if kind == "channel":
            own = [_drawn(channel_units, 1, seeds) for _ in range(channels)]
            kernels, recurrents, biases = (np.array(part) for part in zip(*own, strict=True))
            shape = (channels, -1, GATES, channel_units)
            # (channels, inputs, 4 · units) → gates first.
            self.channel_weights = (
                self._weight("channels_kernel", kernels.reshape(shape)[:, 0].swapaxes(0, 1)),
                self._weight("channels_recurrent", recurrents.reshape(shape).transpose(2, 0, 1, 3)),
                self._weight("channels_bias", biases.reshape(shape)[:, 0].swapaxes(0, 1)),
            )
            below = channels * channel_units
        self.entering = below
        self.common_weights = []
        for n, width in enumerate(self.units):
            names = (f"common_{n}_{part}" for part in ("kernel", "recurrent", "bias"))
            drawn = _drawn(width, below, seeds)
            self.common_weights.append(
                tuple(self._weight(name, value) for name, value in zip(names, drawn, strict=True))
            )
            below = width
        glorot = keras.initializers.GlorotUniform(seed=int(seeds.integers(2**31)))
        self.head = (
            self._weight("classes_kernel", np.asarray(glorot((below, classes)))),
            self._weight("classes_bias", np.zeros(classes, np.float32)),
        )
        self.built = True

    def call(self, windows: tf.Tensor, training: bool = False) -> tf.Tensor:
        return tf.nn.softmax(self.logits(windows))

    def logits(
        self, windows: tf.Tensor, *, every_step: bool = False, keep: tf.Tensor | None = None
    ) -> tf.Tensor:
        """Before the softmax: (batch, classes), or (steps, batch, classes) after every step.

        ``windows`` (batch, steps, channels) float32, its shape known when traced. ``keep``
        (batch, what enters the common layers) is multiplied to each step of that.
        """
        sequence = self.channel_outputs(windows)
        if keep is not None:
            sequence *= keep
        sequence = self.common_outputs(sequence)
        kernel, bias = self.head
        encoded = sequence if every_step else sequence[-1]
        return tf.tensordot(encoded, _tensor(kernel), 1) + _tensor(bias)

    def common_outputs(self, sequence: tf.Tensor) -> tf.Tensor:
        """Of the last common layer, (steps, batch, units), for what `channel_outputs` gives."""
        for kernel, recurrent, bias in self.common_weights:
            projected = tf.tensordot(sequence, _tensor(kernel), 1) + _tensor(bias)
            sequence = lstm(projected, _tensor(recurrent), COMMON)
        return sequence

    def channel_outputs(self, windows: tf.Tensor) -> tf.Tensor:
        """What enters the common layers, (steps, batch, channels · units of each)."""
        sequence = tf.transpose(windows, (1, 0, 2))
        if self.kind == "common":
            return sequence
        kernel, recurrent, bias = (_tensor(weight) for weight in self.channel_weights)
        steps, batch, channels = sequence.shape
        projected = sequence[:, :, None, :, None] * kernel + bias
        width = GATES * channels * self.channel_units
        projected = tf.reshape(projected, (steps, batch, width))
        return lstm(projected, recurrent, per_channel(channels, self.channel_units))

    def _weight(self, name: str, value: Float32) -> keras.Variable:
        weight = self.add_weight(shape=value.shape, name=name, initializer="zeros")
        weight.assign(value)
        return weight

    def source_weights(self) -> dict[str, list[Float32]]:
        """The weights of each layer of the source's own form, by the layer's name."""
        named: dict[str, list[Float32]] = {}
        if self.kind == "channel":
            kernel, recurrent, bias = (np.asarray(weight) for weight in self.channel_weights)
            for n in range(self.channels):
                named[f"channel_lstm_{n}"] = [
                    kernel[:, n].reshape(1, -1),
                    recurrent[:, n].swapaxes(0, 1).reshape(self.channel_units, -1),
                    bias[:, n].reshape(-1),
                ]
        for n, layer in enumerate(self.common_weights):
            named[f"common_lstm_{n}"] = [np.asarray(weight) for weight in layer]
        named["classes"] = [np.asarray(weight) for weight in self.head]
        return named


def export(model: Encoder, window: int) -> keras.Model:
    """The source's own form for windows of ``window`` steps, as plain Keras layers.

    Inputs as `daemon.encoders.architectures` has them.

    Raises
    ------
    EegdError
        Its output is not the trained encoder's.
    """
    steps = min(window, _CHECKED_STEPS)
    noise = np.random.default_rng(0).normal(0, 2, (_CHECKED_WINDOWS, steps, model.channels))
    windows = noise.astype(np.float32)
    short = _source_form(model, steps)
    given = short(split_channels(windows) if model.kind == "channel" else windows)
    difference = float(np.max(np.abs(np.asarray(given) - np.asarray(model(windows)))))
    if not difference <= _TOLERANCE:
        raise EegdError(
            f"the exported model's probabilities differ by {difference:.1g} from the trained "
            f"encoder's: this is a fault of this program, please report it"
        )
    return _source_form(model, window)


def _source_form(model: Encoder, window: int) -> keras.Model:
    if model.kind == "channel":
        source = channel_lstm(
            window, model.channels, model.classes, model.channel_units, model.units
        )
    else:
        source = common_lstm(window, model.channels, model.classes, model.units)
    for name, weights in model.source_weights().items():
        source.get_layer(name).set_weights(weights)
    return source


def _drawn(units: int, inputs: int, seeds: np.random.Generator) -> list[Float32]:
    """First weights of an LSTM layer, as Keras draws them: kernel, recurrent, bias."""
    one, other = (int(seed) for seed in seeds.integers(2**31, size=2))
    kernel = keras.initializers.GlorotUniform(seed=one)((inputs, GATES * units))
    recurrent = keras.initializers.Orthogonal(seed=other)((units, GATES * units))
    bias = np.zeros(GATES * units, np.float32)
    bias[units : 2 * units] = 1  # it forgets little at first
    return [np.asarray(kernel), np.asarray(recurrent), bias]


def _tensor(weight: keras.Variable) -> tf.Tensor:
    return tf.convert_to_tensor(weight)
