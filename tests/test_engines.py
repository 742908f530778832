"""Choosing, warming up and running an engine on any Keras model."""

import re
from dataclasses import replace

import keras
import numpy as np
import pytest
from jobs import job

from daemon.encoders import engines, keras_network
from daemon.encoders import plan as planning
from daemon.encoders.architectures import channel_lstm, common_lstm
from daemon.encoders.fuse import fuse
from daemon.encoders.stack import Stack
from daemon.encoders.window import WindowEngine
from daemon.errors import EegdError, UsageError
from daemon.layout import LAYOUTS, Layout, layout_text, shape_of
from daemon.per_window import PerWindow
from daemon.pipeline import Engine
from daemon.reorder import model_inputs, split_channels
from daemon.window_steps import WindowStep

WINDOW, HOP, CHANNELS = 24, 7, 4
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


def planned(
    model: keras.Model,
    kind: planning.Kind = "auto",
    device: planning.Device = "cpu",
    *,
    hop: int = HOP,
    **more: object,
) -> planning.Plan:
    return planning.plan(job(model, WINDOW, hop, channels=CHANNELS, **more), kind, device)


MODELS = {
    "channel": (lambda: channel_lstm(WINDOW, CHANNELS), True),
    "common": (lambda: common_lstm(WINDOW, CHANNELS, units=(5, 4)), True),
    "convolutional": (convolutional, False),
    "sigmoid": (
        lambda: keras.Sequential(
            [keras.Input((WINDOW, CHANNELS)), L.LSTM(4), L.Dense(1, activation="sigmoid")]
        ),
        True,
    ),
}


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("kind", ["auto", "window"])
def test_an_engine_answers_with_the_models_own_output(name: str, kind: planning.Kind) -> None:
    make, is_stack = MODELS[name]
    model = make()
    per_channel = len(model.inputs) > 1
    plan = planned(model, kind)
    assert (plan.stack is not None) == is_stack
    assert plan.kind == ("streaming" if is_stack and kind == "auto" else "window")
    assert ("no LSTM stack: it begins with Conv1D" in plan.why) != is_stack
    engine, built_plan = engines.build(plan, step_rate=1.0)
    assert replace(built_plan, seconds=None) == plan
    assert (built_plan.seconds is None) == (plan.kind == "streaming")
    samples = np.random.default_rng(0).normal(size=(WINDOW + HOP, CHANNELS)).astype(np.float32)
    both = np.stack([samples[:WINDOW], samples[HOP:]])
    expected = model(split_channels(both) if per_channel else both).numpy()
    for _ in range(2):
        assert engine.feed(samples[:10], False) is None
        answers = [engine.feed(samples[10:WINDOW], True), engine.feed(samples[WINDOW:], True)]
        np.testing.assert_allclose(answers, expected, atol=1e-6)
        engine.restart()


@pytest.mark.parametrize("activation", ["linear", "relu", "sigmoid"])
def test_outputs_that_are_no_probabilities_are_refused(activation: str) -> None:
    model = keras.Sequential(
        [keras.Input((WINDOW, CHANNELS)), L.LSTM(4), L.Dense(3, activation=activation)]
    )
    with pytest.raises(UsageError, match="no probabilities"):
        built(model)


@pytest.mark.parametrize("kind", ["auto", "window"])
def test_dropout_that_was_built_to_drop_for_ever_is_run_as_predict_runs_it(
    kind: planning.Kind,
) -> None:
    eeg = keras.Input((WINDOW, CHANNELS))
    kept = L.Dropout(0.5)(L.LSTM(8)(eeg), training=True)
    model = keras.Model(eeg, L.Dense(2, activation="softmax")(kept))
    samples = np.random.default_rng(0).normal(size=(WINDOW, CHANNELS)).astype(np.float32)
    answer = built(model, kind).feed(samples, True)
    expected = model.predict(samples[None], verbose=0)[0]
    np.testing.assert_allclose(answer, expected, atol=1e-6)


def built(model: keras.Model, kind: planning.Kind = "auto") -> Engine:
    return engines.build(planned(model, kind))[0]


@pytest.mark.parametrize("kind", ["auto", "window"])
def test_an_engine_that_differs_from_the_model_does_not_start(
    kind: planning.Kind, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slightly_off(model: keras.Model) -> Stack:
        stack = fuse(model)
        kernel = stack.lstms[0].kernel.copy()
        kernel[0, 0] += 0.02
        first = replace(stack.lstms[0], kernel=kernel)
        return replace(stack, lstms=(first, *stack.lstms[1:]))

    monkeypatch.setattr(keras_network, "fuse", slightly_off)
    with pytest.raises(EegdError, match="differs from the model itself by"):
        built(common_lstm(WINDOW, CHANNELS, units=(5,)), kind)


def test_streaming_what_cannot_be_streamed_is_refused_with_the_reason() -> None:
    with pytest.raises(
        UsageError, match="cannot be streamed, it is no LSTM stack: it begins with Conv1D"
    ):
        planned(convolutional(), "streaming")
    model = keras.Sequential(
        [keras.Input((WINDOW, CHANNELS)), L.LSTM(4), L.Dense(3, "gelu"), L.Dense(3, "softmax")]
    )
    plan = planned(model)
    assert plan.kind == "window"
    assert "'gelu'" in plan.why
    built(model)


def test_more_windows_in_flight_than_memory_are_refused_with_the_hop_that_fits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = common_lstm(WINDOW, CHANNELS, units=(5,))
    stack = fuse(model)
    monkeypatch.setattr(planning, "MAX_LANE_BYTES", planning.lane_bytes(stack) * 6)
    with pytest.raises(UsageError, match=r"24 windows in flight.*a hop of 4 or more fits"):
        planned(model, "streaming", hop=1)
    assert planned(model, hop=3).kind == "window"
    assert planned(model, "streaming", hop=4).kind == "streaming"


def test_a_gpu_that_is_not_there_is_said_and_not_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tensorflow.config.list_physical_devices", lambda kind: [])
    devices, why = planning.choose_devices("auto")
    assert devices == ("/CPU:0",)
    assert why
    with pytest.raises(UsageError, match=r"engine\.device is gpu, but"):
        planning.choose_devices("gpu")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    with pytest.raises(UsageError, match="CUDA_VISIBLE_DEVICES hides every GPU"):
        planning.choose_devices("gpu")
    assert planning.choose_devices("cpu")[1] == "engine.device is cpu"


@pytest.mark.parametrize("kind", ["streaming", "window"])
def test_of_several_devices_the_faster_one_is_taken_and_both_figures_are_said(
    kind: planning.Kind,
) -> None:
    model = common_lstm(WINDOW, CHANNELS, units=(5,))
    plan = planned(model, kind)
    twice = replace(plan, devices=("/CPU:0", "/device:CPU:0"))
    assert twice.device == "/CPU:0 or /device:CPU:0"
    _, taken = engines.build(twice)
    times = re.findall(r"([\d.e+-]+) ms on (\S+?)(?:,|$)", taken.device_why)
    assert {device for _, device in times} == set(twice.devices)
    fastest = min(float(time) for time, _ in times)
    assert taken.devices in [(device,) for time, device in times if float(time) == fastest]


def test_streaming_that_cannot_keep_up_gives_way_to_the_window_and_says_so() -> None:
    model = common_lstm(WINDOW, CHANNELS, units=(5,))
    plan = planned(model)
    engine, taken = engines.build(plan, step_rate=1e9)
    assert taken.kind == "window"
    assert isinstance(engine, WindowEngine)
    assert "a window.hop of about" in taken.why
    # A recording waits.
    _, taken = engines.build(plan)
    assert taken.kind == "streaming"


@pytest.mark.parametrize("layout", LAYOUTS, ids=layout_text)
def test_a_window_is_given_to_the_model_in_its_layout(layout: Layout) -> None:
    eeg = keras.Input(shape_of(layout, WINDOW, CHANNELS))
    model = keras.Model(eeg, L.Dense(3, activation="softmax")(L.Flatten()(eeg)))
    plan = planned(model, layout=layout)
    assert plan.kind == "window"
    engine, _ = engines.build(plan)
    samples = np.random.default_rng(0).normal(size=(WINDOW, CHANNELS)).astype(np.float32)
    expected = model.predict(model_inputs(samples.T, layout)[0], verbose=0)[0]
    np.testing.assert_allclose(engine.feed(samples, True), expected, atol=1e-6)


def test_an_lstm_over_channels_is_run_as_it_was_built_and_never_streamed() -> None:
    model = keras.Sequential(
        [keras.Input((CHANNELS, WINDOW)), L.LSTM(4), L.Dense(3, activation="softmax")]
    )
    plan = planned(model, layout=("channels", "steps"))
    assert (plan.kind, plan.stack) == ("window", None)
    assert "in another order than [steps, channels]" in plan.why
    with pytest.raises(UsageError, match="in another order"):
        planned(model, "streaming", layout=("channels", "steps"))


@pytest.mark.parametrize("name", ["common", "convolutional"])
def test_each_window_is_changed_by_itself_before_the_model(name: str) -> None:
    model = MODELS[name][0]()
    steps = [WindowStep.model_validate(step) for step in ("demean", {"scale": 0.5})]
    plan = planned(model, per_window=PerWindow(steps, 100.0))
    assert plan.kind == "window"
    if name == "common":
        assert "per_window needs each window as a whole" in plan.why
        with pytest.raises(UsageError, match="cannot be streamed: per_window"):
            planned(model, "streaming", per_window=PerWindow(steps, 100.0))
    engine, _ = engines.build(plan)
    samples = np.random.default_rng(0).normal(5, size=(WINDOW + 1, CHANNELS)).astype(np.float32)
    for first, block in ((0, samples[:-1]), (1, samples[-1:])):
        window = samples[first : first + WINDOW]
        expected = model.predict(((window - window.mean(0)) / 2)[None], verbose=0)[0]
        np.testing.assert_allclose(engine.feed(block, True), expected, atol=1e-6)


def test_logits_that_are_said_are_run_and_probabilities_in_their_place_are_refused() -> None:
    logits = keras.Sequential([keras.Input((WINDOW, CHANNELS)), L.LSTM(4), L.Dense(3)])
    engine, _ = engines.build(planned(logits, logits=True))
    samples = np.random.default_rng(0).normal(size=(WINDOW, CHANNELS)).astype(np.float32)
    expected = logits.predict(samples[None], verbose=0)[0]
    np.testing.assert_allclose(engine.feed(samples, True), expected, atol=1e-6)
    with pytest.raises(UsageError, match="output: logits into its contract"):
        built(logits)
    with pytest.raises(UsageError, match="write output: probabilities"):
        engines.build(planned(convolutional(), logits=True))


def test_the_time_of_a_window_and_the_hop_that_keeps_up_are_said() -> None:
    _, plan = engines.build(planned(convolutional()))
    assert plan.seconds is not None
    assert plan.speed(None) == f"{plan.seconds * 1e3:.2g} ms a window"
    timed = replace(plan, seconds=0.01)
    assert timed.speed(200.0).endswith(": a window.hop of 3 or more keeps up at 200 Hz")
    assert planned(common_lstm(WINDOW, CHANNELS, units=(5,))).speed(200.0) == ""


def test_outputs_that_are_no_numbers_are_refused_whatever_they_should_be() -> None:
    layers = [keras.Input((WINDOW, CHANNELS)), L.Conv1D(3, 3), L.Flatten(), L.Dense(3)]
    model = keras.Sequential(layers)
    model.set_weights([np.full(weight.shape, np.nan) for weight in model.get_weights()])
    with pytest.raises(UsageError, match="not finite numbers"):
        engines.build(planned(model, logits=True))
