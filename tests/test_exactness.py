"""Streaming and window engine against the source's own Keras model, on real EEG, at full length.

60 windows of 15360 steps for each encoder. `make exactness` runs them and prints the figures that
docs/performance.md quotes. In the plain suite tests/live/test_recordings_live.py holds both
encoders against Keras at full length.
"""

from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest
from jobs import job

from daemon.encoders import engines
from daemon.encoders.architectures import WINDOW, channel_lstm, common_lstm
from daemon.encoders.fuse import fuse
from daemon.encoders.plan import Kind, plan
from daemon.encoders.stack import Stack
from daemon.records import Float32, Float64
from daemon.reorder import split_channels

RECORDING = Path(__file__).parents[2] / "shared/data/xdf/eeglab32_relayed_LSL_32ch.xdf"
HOP = 256
ENCODERS = {"channel": channel_lstm, "common": common_lstm}

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not RECORDING.exists(), reason=f"needs the recording {RECORDING.name} in ../shared/data"
    ),
]


@pytest.fixture(scope="module")
def eeg() -> Float32:
    """(samples, channels) float32, microvolts."""
    from daemon.recordings.reading import read_recording

    return np.asarray(read_recording(RECORDING).samples, np.float32)


def windows(eeg: Float32) -> Float32:
    starts = range(0, len(eeg) - WINDOW + 1, HOP)
    return np.stack([eeg[start : start + WINDOW] for start in starts])


def scaled(build: Callable[[], keras.Model], scale: float) -> keras.Model:
    keras.utils.set_random_seed(4)
    model = build()
    model.set_weights([scale * weights for weights in model.get_weights()])
    return model


def trained(encoder: str, eeg: Float32) -> keras.Model:
    """Learns, on short stretches, which sixth of the recording they are from.

    Nonsense as a task, but the weights are those of training. They do not depend on the window's
    length, so they are deployed at full length.
    """
    keras.utils.set_random_seed(4)
    steps = 64
    starts = np.arange(0, len(eeg) - steps, 23)
    stretches = np.stack([eeg[start : start + steps] for start in starts]) / 25
    labels = starts * 6 // len(eeg)
    short = ENCODERS[encoder](steps)
    short.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    inputs = split_channels(stretches) if encoder == "channel" else stretches
    history = short.fit(inputs, labels, batch_size=64, epochs=6, verbose=0)
    assert history.history["accuracy"][-1] > 0.4, "it did not learn"
    model = ENCODERS[encoder]()
    model.set_weights(short.get_weights())
    return model


def answers(model: keras.Model, kind: Kind, eeg: Float32, count: int) -> Float32:
    """What the engine answers on the first ``count`` windows, fed as from a recording."""
    planned = plan(job(model, WINDOW, HOP), kind, "auto")
    engine, _ = engines.build(planned)
    found = []
    for start in range(0, WINDOW + (count - 1) * HOP, HOP):
        answer = engine.feed(eeg[start : start + HOP], start + HOP >= WINDOW)
        engine.catch_up()
        if answer is not None:
            found.append(answer)
    return np.array(found)


def reference64(stack: Stack, eeg: Float32, count: int) -> Float64:
    """The stack in float64 numpy: what all of them would give without rounding."""

    def sigmoid(x: Float64) -> Float64:
        return 1 / (1 + np.exp(-x))

    layers = [[w.astype(np.float64) for w in (x.kernel, x.recurrent, x.bias)] for x in stack.lstms]
    states = [np.zeros((2, count, x.units)) for x in stack.lstms]
    batch = windows(eeg)[:count].astype(np.float64)
    for t in range(WINDOW):
        below = batch[:, t]
        for n, (kernel, recurrent, bias) in enumerate(layers):
            h, c = states[n]
            i, f, candidate, o = np.split(below @ kernel + h @ recurrent + bias, 4, axis=-1)
            c = sigmoid(f) * c + sigmoid(i) * np.tanh(candidate)
            states[n] = np.stack([sigmoid(o) * np.tanh(c), c])
            below = states[n][0]
    (dense,) = stack.denses
    logits = below @ dense.kernel + dense.bias
    powered = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return powered / powered.sum(axis=-1, keepdims=True)


def compare(model: keras.Model, eeg: Float32, title: str, exact: int = 0) -> dict[str, float]:
    """Largest differences between Keras, streaming, window and (``exact`` windows) float64."""
    batch = windows(eeg)
    assert len(batch) >= 60
    expected = model.predict_on_batch(split_channels(batch) if len(model.inputs) > 1 else batch)
    streaming = answers(model, "streaming", eeg, len(batch))
    assert streaming.shape == expected.shape
    found = {"streaming": float(np.abs(streaming - expected).max())}
    few = answers(model, "window", eeg, 5)
    found["window"] = float(np.abs(few - expected[:5]).max())
    if exact:
        stack = fuse(model)
        truth = reference64(stack, eeg, exact)
        # What the model itself makes of one float32 rounding of its input.
        moved = reference64(stack, eeg * np.float32(1 + 2**-23), exact)
        amplified = np.abs(moved - truth).max(axis=1)
        found["float64 to float64 of samples one rounding away"] = float(amplified.max())
        for name, values in (("keras", expected), ("streaming", streaming)):
            off = np.abs(values[:exact] - truth).max(axis=1)
            found[f"{name} to float64"] = float(off.max())
            found[f"{name} to float64, median"] = float(np.median(off))
            calm = amplified <= 1e-6
            found[f"{name} to float64, {calm.sum()} windows that do not amplify"] = float(
                off[calm].max(initial=0.0)
            )
    told = ", ".join(f"{name} {difference:.1e}" for name, difference in found.items())
    print(f"\n{title}: {len(batch)} windows: {told}")  # noqa: T201
    return found


@pytest.mark.parametrize("encoder", ENCODERS)
def test_random_weights_at_the_default_scale(encoder: str, eeg: Float32) -> None:
    found = compare(scaled(ENCODERS[encoder], 1), eeg, f"{encoder}, random")
    assert found["streaming"] <= 1e-5
    assert found["window"] <= 1e-5


@pytest.mark.parametrize("encoder", ENCODERS)
@pytest.mark.parametrize("scale", [1, 2])
def test_random_weights_and_the_float64_reference(encoder: str, scale: float, eeg: Float32) -> None:
    """At twice the default scale the channel encoder's dynamics amplify rounding in some windows.

    There no float32 model can be held to 1e-5 of another: float64 itself moves by more when its
    samples move by one rounding. Everywhere else, streaming is.
    """
    found = compare(scaled(ENCODERS[encoder], scale), eeg, f"{encoder}, random x{scale}", exact=60)
    amplified = found["float64 to float64 of samples one rounding away"]
    assert found["streaming to float64"] <= max(1e-5, amplified)
    assert found["streaming to float64, median"] <= 2 * found["keras to float64, median"]
    calm = [off for name, off in found.items() if "streaming" in name and "do not amplify" in name]
    assert max(calm) <= 1e-5


def test_a_model_that_remembers_for_thousands_of_steps(eeg: Float32) -> None:
    """Input gates almost shut, forget gates almost open: each step's rounding is kept."""
    model = scaled(common_lstm, 1)
    for layer in model.layers:
        if isinstance(layer, keras.layers.LSTM):
            kernel, recurrent, bias = layer.get_weights()
            i, f, rest = np.split(bias, [layer.units, 2 * layer.units])
            bias = np.concatenate([i - 11, f + 9, rest])
            layer.set_weights([kernel, recurrent, bias])
    found = compare(model, eeg / 25, "common, long memory", exact=60)
    assert found["streaming to float64"] <= 1e-5
    assert found["window"] <= 1e-5


@pytest.mark.parametrize("encoder", ENCODERS)
def test_trained_weights(encoder: str, eeg: Float32) -> None:
    found = compare(trained(encoder, eeg), eeg / 25, f"{encoder}, trained", exact=60)
    assert found["streaming"] <= 1e-5
    assert found["window"] <= 1e-5
    assert found["streaming to float64"] <= 1e-5
