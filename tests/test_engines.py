"""Choosing, warming up and running an engine on any Keras model."""

import keras
import numpy as np
import pytest

from daemon.encoders import engines
from daemon.encoders.architectures import channel_lstm, common_lstm
from daemon.errors import UsageError
from daemon.reorder import model_inputs

WINDOW, CHANNELS = 24, 4
L = keras.layers


def convolutional() -> keras.Model:
    return keras.Sequential(
        [
            keras.Input((WINDOW, CHANNELS)),
            L.Conv1D(5, 3, activation="relu"),
            L.Bidirectional(L.LSTM(4)),
            L.Dense(6, activation="softmax"),
        ]
    )


@pytest.mark.parametrize(
    ("model", "fused"),
    [
        (channel_lstm(WINDOW, CHANNELS), True),
        (common_lstm(WINDOW, CHANNELS, units=(5, 4)), True),
        (convolutional(), False),
    ],
    ids=["channel", "common", "convolutional"],
)
def test_an_engine_answers_with_the_models_own_output(model: keras.Model, fused: bool) -> None:
    per_channel = len(model.inputs) > 1
    plan = engines.plan(model, "window", "cpu")
    assert (plan.stack is not None) == fused
    assert ("Bidirectional" in plan.why or "Conv1D" in plan.why) != fused
    engine = engines.build(plan, model, per_channel=per_channel, window=WINDOW)
    samples = np.random.default_rng(0).normal(size=(40, CHANNELS)).astype(np.float32)
    assert engine.feed(samples[:30], False) is None
    answer = engine.feed(samples[30:], True)
    assert answer is not None
    inputs = model_inputs(samples[-WINDOW:].T, per_channel=per_channel)
    expected = model(inputs if per_channel else inputs[0]).numpy()[0]
    np.testing.assert_allclose(answer, expected, atol=1e-6)
    engine.restart()
    engine.feed(samples[:WINDOW], True)
    repeated = engine.feed(samples[WINDOW:], True)
    np.testing.assert_allclose(repeated, expected, atol=1e-6)


def test_one_sigmoid_counts_as_two_classes() -> None:
    model = common_lstm(WINDOW, CHANNELS, 1, units=(3,))
    model.layers[-1].activation = keras.activations.sigmoid
    engine = engines.build(
        engines.plan(model, "auto", "cpu"), model, per_channel=False, window=WINDOW
    )
    samples = np.random.default_rng(0).normal(size=(WINDOW, CHANNELS)).astype(np.float32)
    answer = engine.feed(samples, True)
    p = float(model(samples[None]).numpy()[0, 0])
    assert answer is not None
    np.testing.assert_allclose(answer, [1 - p, p], atol=1e-6)


@pytest.mark.parametrize("activation", ["linear", "relu", "sigmoid"])
def test_outputs_that_are_no_probabilities_are_refused(activation: str) -> None:
    model = common_lstm(WINDOW, CHANNELS, units=(3,))
    model.layers[-1].activation = keras.activations.get(activation)
    with pytest.raises(UsageError, match="no probabilities"):
        engines.build(engines.plan(model, "auto", "cpu"), model, per_channel=False, window=WINDOW)


def test_a_gpu_that_is_not_there_is_said_and_not_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tensorflow.config.list_physical_devices", lambda kind: [])
    device, why = engines.choose_device("auto")
    assert device == "/CPU:0"
    assert why
    with pytest.raises(UsageError, match=r"engine\.device is gpu, but"):
        engines.choose_device("gpu")
    assert engines.choose_device("cpu")[1] == "engine.device is cpu"
