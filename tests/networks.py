"""Networks of the EEG literature as labs build them, in Keras 2 or 3, in their own layouts.

EEGNet: Lawhern et al., J. Neural Eng. 15 (2018). DeepConvNet, ShallowConvNet: Schirrmeister et al.,
Human Brain Mapping 38 (2017). Small, with random weights.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from daemon.layout import Layout, shape_of

STEPS, CHANNELS, CLASSES = 128, 4, 3

IMAGE: Layout = ("channels", "steps", "1")
TIME_FIRST: tuple[Layout, ...] = (("steps", "channels"),)


def _square(k: ModuleType) -> Any:
    """x², by a layer that every version knows."""
    return lambda tensor: k.layers.Multiply()([tensor, tensor])


def _image(k: ModuleType, layout: Layout) -> tuple[Any, Any]:
    """An input in ``layout``, and it as (channels, steps, 1)."""
    eeg = k.Input(shape_of(layout, STEPS, CHANNELS))
    if layout == IMAGE:
        return eeg, eeg
    if layout == ("1", "channels", "steps"):
        return eeg, k.layers.Permute((2, 3, 1))(eeg)
    if layout == ("steps", "1", "channels"):
        return eeg, k.layers.Permute((3, 1, 2))(eeg)
    if layout == ("steps", "channels", "1"):
        return eeg, k.layers.Permute((2, 1, 3))(eeg)
    order = (CHANNELS, STEPS, 1)
    return eeg, k.layers.Reshape(order)(eeg)  # [channels, steps] and [channels * steps]


def eegnet(k: ModuleType, layout: Layout) -> Any:
    eeg, x = _image(k, layout)
    x = k.layers.Conv2D(4, (1, 32), padding="same", use_bias=False)(x)
    x = k.layers.BatchNormalization()(x)
    x = k.layers.DepthwiseConv2D((CHANNELS, 1), use_bias=False, depth_multiplier=2)(x)
    x = k.layers.BatchNormalization()(x)
    x = k.layers.Dropout(0.5)(k.layers.AveragePooling2D((1, 4))(k.layers.Activation("elu")(x)))
    x = k.layers.SeparableConv2D(8, (1, 16), use_bias=False, padding="same")(x)
    x = k.layers.BatchNormalization()(x)
    x = k.layers.Dropout(0.5)(k.layers.AveragePooling2D((1, 8))(k.layers.Activation("elu")(x)))
    x = k.layers.Dense(CLASSES)(k.layers.Flatten()(x))
    return k.Model(eeg, k.layers.Activation("softmax")(x))


def deep_conv_net(k: ModuleType, layout: Layout) -> Any:
    eeg, x = _image(k, layout)
    x = k.layers.Conv2D(5, (1, 5))(x)
    x = k.layers.Conv2D(5, (CHANNELS, 1))(x)
    for filters in (5, 10):
        x = k.layers.Activation("elu")(k.layers.BatchNormalization(epsilon=1e-5)(x))
        x = k.layers.Dropout(0.5)(k.layers.MaxPooling2D((1, 2), strides=(1, 2))(x))
        x = k.layers.Conv2D(filters, (1, 5))(x)
    return k.Model(eeg, k.layers.Dense(CLASSES, activation="softmax")(k.layers.Flatten()(x)))


def shallow_conv_net(k: ModuleType, layout: Layout) -> Any:
    eeg, x = _image(k, layout)
    x = k.layers.Conv2D(8, (1, 13))(x)
    x = k.layers.Conv2D(8, (CHANNELS, 1), use_bias=False)(x)
    x = _square(k)(k.layers.BatchNormalization(epsilon=1e-5)(x))
    x = k.layers.AveragePooling2D((1, 35), strides=(1, 7))(x)
    x = k.layers.Dropout(0.5)(k.layers.Activation("softplus")(x))
    return k.Model(eeg, k.layers.Dense(CLASSES, activation="softmax")(k.layers.Flatten()(x)))


def cnn_lstm(k: ModuleType, layout: Layout) -> Any:
    eeg = k.Input(shape_of(layout, STEPS, CHANNELS))
    x = k.layers.Conv1D(8, 5, activation="relu")(eeg)
    x = k.layers.LSTM(6)(k.layers.MaxPooling1D(2)(x))
    return k.Model(eeg, k.layers.Dense(CLASSES, activation="softmax")(x))


def bi_lstm(k: ModuleType, layout: Layout) -> Any:
    eeg = k.Input(shape_of(layout, STEPS, CHANNELS))
    x = k.layers.Bidirectional(k.layers.LSTM(5, return_sequences=True))(eeg)
    x = k.layers.Bidirectional(k.layers.LSTM(4))(x)
    return k.Model(eeg, k.layers.Dense(CLASSES, activation="softmax")(x))


def tcn(k: ModuleType, layout: Layout) -> Any:
    eeg = k.Input(shape_of(layout, STEPS, CHANNELS))
    x = k.layers.Conv1D(6, 1)(eeg)
    for dilation in (1, 2, 4):
        y = k.layers.Conv1D(6, 3, padding="causal", dilation_rate=dilation, activation="relu")(x)
        y = k.layers.SpatialDropout1D(0.2)(y)
        x = k.layers.Add()([x, y])
    x = k.layers.GlobalAveragePooling1D()(x)
    return k.Model(eeg, k.layers.Dense(CLASSES, activation="softmax")(x))


_IMAGES: tuple[Layout, ...] = (
    IMAGE,
    ("1", "channels", "steps"),
    ("steps", "channels", "1"),
    ("steps", "1", "channels"),
    ("channels", "steps"),
    ("channels * steps",),
)

NETWORKS: dict[str, tuple[Callable[[ModuleType, Layout], Any], tuple[Layout, ...]]] = {
    "EEGNet": (eegnet, _IMAGES),
    "DeepConvNet": (deep_conv_net, _IMAGES),
    "ShallowConvNet": (shallow_conv_net, _IMAGES),
    "CNN-LSTM": (cnn_lstm, TIME_FIRST),
    "Bi-LSTM": (bi_lstm, TIME_FIRST),
    "TCN": (tcn, TIME_FIRST),
}


def written(k: ModuleType, suffix: str, model: Any, folder: Path) -> Path:
    """``model`` as a file of ``suffix``, or without one as a SavedModel's folder."""
    path = folder / f"net{suffix}"
    model.save(path, **({} if suffix else {"save_format": "tf"}))
    return path


def randomised(model: Any) -> Any:
    """Weights that no initializer gives; what has to be positive (variances) is."""
    random = np.random.default_rng(7)
    model.set_weights([random.uniform(0.05, 0.4, weight.shape) for weight in model.get_weights()])
    return model
