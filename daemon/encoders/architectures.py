"""The two encoders that this daemon was made for, as Keras builders.

Both come from a Keras reading of "Deep Learning Human Mind for Automated Visual Classification"
(Spampinato et al., CVPR 2017), which names them Common LSTM and Channel LSTM + Common LSTM.
"""

from __future__ import annotations

from collections.abc import Sequence

import keras

WINDOW = 15360
CHANNELS = 32
CLASSES = 6


def common_lstm(
    window: int = WINDOW,
    channels: int = CHANNELS,
    classes: int = CLASSES,
    units: Sequence[int] = (256, 128, 64),
) -> keras.Model:
    """LSTM layers over all channels at once, the last step of the last one into a softmax.

    Input (batch, window, channels) float32; output (batch, classes) float32. With the defaults
    542,854 parameters.
    """
    eeg = keras.Input((window, channels), name="eeg")
    return keras.Model(eeg, _common(eeg, units, classes), name="common_lstm")


def channel_lstm(
    window: int = WINDOW,
    channels: int = CHANNELS,
    classes: int = CLASSES,
    channel_units: int = 1,
    units: Sequence[int] = (128, 64),
) -> keras.Model:
    """An LSTM of its own for each channel, their outputs concatenated into common LSTM layers.

    ``channels`` inputs (batch, window, 1) float32; output (batch, classes) float32. With the
    defaults 132,614 parameters. `daemon.reorder.split_channels` makes the inputs.
    """
    eeg = [keras.Input((window, 1), name=f"channel_{n}") for n in range(channels)]
    encoded = [
        keras.layers.LSTM(channel_units, return_sequences=True, name=f"channel_lstm_{n}")(channel)
        for n, channel in enumerate(eeg)
    ]
    merged = keras.layers.Concatenate(name="channels")(encoded) if channels > 1 else encoded[0]
    return keras.Model(eeg, _common(merged, units, classes), name="channel_lstm")


def _common(sequence: keras.KerasTensor, units: Sequence[int], classes: int) -> keras.KerasTensor:
    """The part that both encoders share: LSTM layers, then one softmax over the classes."""
    for n, width in enumerate(units):
        last = n == len(units) - 1
        layer = keras.layers.LSTM(width, return_sequences=not last, name=f"common_lstm_{n}")
        sequence = layer(sequence)
    return keras.layers.Dense(classes, activation="softmax", name="classes")(sequence)
