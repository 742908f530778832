"""Lanes become one where the model has forgotten that they began apart, and nowhere else."""

import keras
import numpy as np
import pytest

from daemon.encoders.architectures import channel_lstm, common_lstm
from daemon.encoders.convergence import Convergence
from daemon.encoders.fuse import fuse
from daemon.encoders.stack import Dense, Lstm, Stack
from daemon.encoders.streaming import StreamingEngine
from daemon.records import Float32

CHANNELS, WINDOW, HOP = 3, 900, 90


def eeg(n: int, scale: float = 2.0) -> Float32:
    return np.random.default_rng(0).normal(scale=scale, size=(n, CHANNELS)).astype(np.float32)


def one_unit(**biases: float) -> Stack:
    """One LSTM unit that reads one channel and itself; biases of its gates by their Keras names."""
    bias = [biases.get(gate, 0.0) for gate in ("input", "forget", "cell", "output")]
    lstm = Lstm(
        np.ones((1, 4), np.float32),
        np.ones((1, 4), np.float32),
        np.array(bias, np.float32),
        "tanh",
        "sigmoid",
    )
    return Stack((lstm,), (Dense(np.ones((1, 2), np.float32), np.ones(2, np.float32), "softmax"),))


def joins(stack: Stack, older: list[float], younger: list[float]) -> bool:
    """h and c of the one unit."""
    states = ([np.array([[x]], np.float32) for x in state] for state in (older, younger))
    (one,) = Convergence(stack).joins(*states, np.ones(1, np.float32))
    return bool(one)


def test_equal_lanes_are_one_and_so_are_those_a_rounding_apart() -> None:
    assert joins(one_unit(), [0.5, 0.7], [0.5, 0.7])
    assert joins(one_unit(), [0.5, 0.7], [0.5 + 2**-24, 0.7 - 2**-24])


@pytest.mark.parametrize("apart", [1e-5, 1e-6])
def test_lanes_that_are_further_apart_are_not(apart: float) -> None:
    assert not joins(one_unit(), [0.5, 0.7], [0.5 + apart, 0.7])
    assert not joins(one_unit(), [0.5, 0.7], [0.5, 0.7 + apart])


def test_what_a_closed_output_gate_hides_keeps_lanes_apart() -> None:
    assert not joins(one_unit(output=-80), [0.0, 0.7], [0.0, 0.2])


def test_a_small_state_that_large_weights_read_keeps_lanes_apart() -> None:
    """It lies below float32's rounding of 1, but not below that of what is made of it."""
    stack = one_unit()
    lstm = Lstm(stack.lstms[0].kernel, np.full((1, 4), 1e9, np.float32), *_rest(stack.lstms[0]))
    large = Stack((lstm,), stack.denses)
    assert joins(stack, [1e-9, 1e-9], [2e-9, 2e-9])
    assert not joins(large, [1e-9, 1e-9], [2e-9, 2e-9])


def _rest(lstm: Lstm) -> tuple[Float32, str, str]:
    return lstm.bias, lstm.activation, lstm.recurrent_activation


def test_large_cells_are_compared_in_units_of_themselves() -> None:
    assert joins(one_unit(), [1.0, 1000.0], [1.0, np.nextafter(np.float32(1000), np.float32(2000))])
    assert not joins(one_unit(), [1.0, 1000.0], [1.0, 1000.1])


def test_a_state_that_is_not_finite_joins_none() -> None:
    assert not joins(one_unit(), [np.nan, 0.7], [np.nan, 0.7])
    assert not joins(one_unit(), [0.5, 0.7], [0.5, np.inf])


@pytest.mark.parametrize("build", [channel_lstm, common_lstm])
def test_lanes_of_a_model_that_forgets_join_and_answer_as_keras_does(build: object) -> None:
    keras.utils.set_random_seed(3)
    model = (
        channel_lstm(WINDOW, CHANNELS, units=(7, 5))
        if build is channel_lstm
        else common_lstm(WINDOW, CHANNELS, units=(8, 6))
    )
    samples = eeg(WINDOW + 12 * HOP)
    engine = StreamingEngine(fuse(model), WINDOW, HOP, "/CPU:0")
    answers, rows = [], []
    for start in range(0, len(samples), HOP):
        answer = engine.feed(samples[start : start + HOP], start + HOP >= WINDOW)
        rows.append(engine.rows)
        if answer is not None:
            answers.append(answer)
    assert max(rows) <= 5 < WINDOW // HOP
    starts = range(0, len(samples) - WINDOW + 1, HOP)
    windows = np.stack([samples[start : start + WINDOW] for start in starts])
    inputs = list(windows.transpose(2, 0, 1)[..., None]) if build is channel_lstm else windows
    np.testing.assert_allclose(answers, model.predict_on_batch(inputs), atol=1e-6)


def test_lanes_of_a_model_that_remembers_stay_apart() -> None:
    model = common_lstm(WINDOW, CHANNELS, units=(8,))
    lstm = model.layers[1]
    kernel, recurrent, bias = lstm.get_weights()
    bias[lstm.units : 2 * lstm.units] += 9
    lstm.set_weights([0.01 * kernel, 0.01 * recurrent, bias])
    engine = StreamingEngine(fuse(model), WINDOW, HOP, "/CPU:0")
    for start in range(0, WINDOW, HOP):
        engine.feed(eeg(HOP), start + HOP >= WINDOW)
    assert engine.rows == WINDOW // HOP
