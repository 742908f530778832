"""The fused stack against the Keras model it was read from."""

from collections.abc import Callable

import keras
import numpy as np
import pytest
from jobs import job

from daemon.encoders.architectures import channel_lstm, common_lstm
from daemon.encoders.fuse import NotFusableError, fuse
from daemon.encoders.fused import Fused

WINDOW, CHANNELS = 24, 4
L = keras.layers


def sequential(*layers: keras.layers.Layer, channels: int = CHANNELS) -> keras.Model:
    return keras.Sequential([keras.Input((WINDOW, channels)), *layers])


def channels_model(
    encode: Callable[[int, keras.KerasTensor], keras.KerasTensor],
    order: tuple[int, ...] = (0, 1, 2, 3),
    join: keras.layers.Layer | None = None,
) -> keras.Model:
    inputs = [keras.Input((WINDOW, 1)) for _ in range(CHANNELS)]
    encoded = [encode(n, channel) for n, channel in enumerate(inputs)]
    merged = (join or L.Concatenate())([encoded[n] for n in order])
    return keras.Model(inputs, L.Dense(3, activation="softmax")(L.LSTM(6)(merged)))


def randomised(model: keras.Model) -> keras.Model:
    """Biases too, which Keras starts at 0 and 1.

    Scaled by the fan-in: larger recurrent weights make an LSTM chaotic, and it then amplifies
    the rounding of any two ways of computing it.
    """
    rng = np.random.default_rng(5)
    model.set_weights(
        [rng.normal(scale=1 / np.sqrt(w.shape[0]), size=w.shape) for w in model.get_weights()]
    )
    return model


def the_same(units: int) -> Callable[[int, keras.KerasTensor], keras.KerasTensor]:
    shared = L.LSTM(units, return_sequences=True)
    return lambda n, channel: shared(channel)


def different_units(n: int, channel: keras.KerasTensor) -> keras.KerasTensor:
    return L.LSTM(n + 1, return_sequences=True)(channel)


FUSABLE: dict[str, Callable[[], keras.Model]] = {
    "common": lambda: common_lstm(WINDOW, CHANNELS, units=(8, 5)),
    "channel": lambda: channel_lstm(WINDOW, CHANNELS),
    "channel, three units": lambda: channel_lstm(WINDOW, CHANNELS, channel_units=3),
    "different units per channel": lambda: channels_model(different_units),
    "concatenated in another order": lambda: channels_model(different_units, (2, 0, 3, 1)),
    "one LSTM shared by all channels": lambda: channels_model(the_same(2)),
    "one LSTM layer, sequential": lambda: sequential(L.LSTM(5), L.Dense(3, activation="softmax")),
    "dropout and noise everywhere": lambda: sequential(
        L.GaussianNoise(0.5),
        L.LSTM(5, return_sequences=True, dropout=0.3, recurrent_dropout=0.2),
        L.SpatialDropout1D(0.3),
        L.LSTM(4),
        L.Dropout(0.5),
        L.Dense(3, activation="softmax"),
        L.Dropout(0.5),
    ),
    "several dense layers": lambda: sequential(
        L.LSTM(5), L.Dense(7, activation="relu"), L.Dense(3, activation="softmax")
    ),
    "softmax as a layer": lambda: sequential(L.LSTM(5), L.Dense(3), L.Softmax()),
    "activation as a layer": lambda: sequential(
        L.LSTM(5), L.Dense(4), L.Activation("tanh"), L.Dense(3), L.Activation("softmax")
    ),
    "sigmoid": lambda: sequential(L.LSTM(5), L.Dense(1, activation="sigmoid")),
    "without biases": lambda: sequential(
        L.LSTM(5, use_bias=False), L.Dense(3, activation="softmax", use_bias=False)
    ),
    "other activations": lambda: sequential(
        L.LSTM(5, activation="softsign", recurrent_activation="hard_sigmoid"),
        L.Dense(3, activation="softmax"),
    ),
}


@pytest.mark.parametrize("name", FUSABLE)
def test_the_stack_gives_what_keras_gives(name: str) -> None:
    model = randomised(FUSABLE[name]())
    stack = fuse(model)
    assert stack.channels == CHANNELS
    usual = job(model, WINDOW, WINDOW)
    expected = usual.network.run("/CPU:0", usual.layout)
    run = Fused(stack, WINDOW, "/CPU:0")
    for seed in range(3):
        window = np.random.default_rng(seed).normal(size=(CHANNELS, WINDOW)).astype(np.float32)
        np.testing.assert_allclose(run(window), expected(window), atol=1e-6)


def bidirectional() -> keras.Model:
    return sequential(L.Bidirectional(L.LSTM(3)), L.Dense(3, activation="softmax"))


def residual() -> keras.Model:
    eeg = keras.Input((WINDOW, CHANNELS))
    first = L.LSTM(4, return_sequences=True)(eeg)
    return keras.Model(eeg, L.Dense(3, activation="softmax")(L.LSTM(4)(L.Add()([eeg, first]))))


def initial_state() -> keras.Model:
    eeg = keras.Input((WINDOW, CHANNELS))
    _, h, c = L.LSTM(4, return_state=True)(eeg)
    return keras.Model(eeg, L.Dense(3)(L.LSTM(4)(eeg, initial_state=[h, c])))


NOT_FUSABLE: dict[str, tuple[Callable[[], keras.Model], str]] = {
    "bidirectional": (bidirectional, "Bidirectional"),
    "residual": (residual, "2 layers take the same values"),
    "initial state": (initial_state, "layers take the same values"),
    "convolution first": (
        lambda: sequential(L.Conv1D(3, 3), L.LSTM(3), L.Dense(3)),
        "Conv1D 'conv1d",
    ),
    "masking": (lambda: sequential(L.Masking(), L.LSTM(3), L.Dense(3)), "take the same values"),
    "backwards": (lambda: sequential(L.LSTM(3, go_backwards=True), L.Dense(3)), "go_backwards"),
    "every step to the dense layer": (
        lambda: sequential(L.LSTM(3, return_sequences=True), L.Dense(3), L.Flatten()),
        "no LSTM gives its last step alone",
    ),
    "no dense layer": (lambda: sequential(L.LSTM(3)), "no Dense layer"),
    "GRU": (lambda: sequential(L.GRU(3), L.Dense(3)), "GRU"),
    "joined along time": (
        lambda: channels_model(different_units_equal, join=L.Concatenate(axis=1)),
        "last axis",
    ),
    "a channel twice": (lambda: channels_model(different_units, (0, 0, 1, 2)), "layers take"),
    "added, not concatenated": (
        lambda: channels_model(different_units_equal, join=L.Add()),
        "takes or gives several tensors",
    ),
    "half precision": (
        lambda: sequential(L.LSTM(3, dtype="mixed_float16"), L.Dense(3)),
        "float32",
    ),
    "half precision input": (
        lambda: keras.Sequential(
            [keras.Input((WINDOW, CHANNELS), dtype="float16"), L.LSTM(3), L.Dense(3)]
        ),
        "float32",
    ),
    "activation of its own": (
        lambda: sequential(L.LSTM(3, activation=keras.ops.cos), L.Dense(3)),
        "LSTM",
    ),
}


def different_units_equal(n: int, channel: keras.KerasTensor) -> keras.KerasTensor:
    return L.LSTM(2, return_sequences=True)(channel)


@pytest.mark.parametrize("name", NOT_FUSABLE)
def test_anything_else_is_refused_with_the_reason(name: str) -> None:
    make, reason = NOT_FUSABLE[name]
    with pytest.raises(NotFusableError, match=reason):
        fuse(make())
