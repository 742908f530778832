"""What the scope shows: thinned, freed of drift, bad channels named; whatever the chunks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.config import StreamConfig
from daemon.records import StreamDescription
from daemon.views.traces import MAX_CHANNELS, SECONDS, SHOWN, Traces


def described(
    rate: float = 100.0, channels: int = 3, unit: str = "microvolts", labels: bool = True
) -> StreamDescription:
    names = tuple(f"C{n}" if labels else "" for n in range(channels))
    return StreamDescription("A", "EEG", "i", "h", rate, "float32", names, (unit,) * channels)


def eeg(n: int, channels: int = 3) -> np.ndarray:
    return np.random.default_rng(1).normal(scale=20, size=(n, channels))


@settings(max_examples=30)
@given(st.lists(st.integers(0, 40), min_size=1, max_size=60), st.sampled_from([100.0, 500.0]))
def test_any_chunks_show_the_same(cuts: list[int], rate: float) -> None:
    samples, stamps = eeg(sum(cuts)), np.arange(sum(cuts)) / rate
    whole, pieces = Traces(described(rate)), Traces(described(rate))
    whole.push(samples, stamps)
    at = 0
    for n in cuts:
        pieces.push(samples[at : at + n], stamps[at : at + n])
        at += n
    assert whole.count == pieces.count
    for one, other in zip(whole.latest(10**9), pieces.latest(10**9), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-3)


def test_a_fast_stream_is_thinned_and_memory_is_fixed() -> None:
    traces = Traces(described(rate=5000.0))
    for second in range(30):
        traces.push(eeg(5000), second + np.arange(5000) / 5000)
    assert traces.count == 30 * SHOWN
    stamps, values = traces.latest(10**9)
    assert values.shape == (3, round(SECONDS * SHOWN))
    np.testing.assert_allclose(np.diff(stamps), 1 / SHOWN, atol=1e-9)
    assert traces.effective_rate == pytest.approx(5000.0)


def test_an_offset_is_not_shown_and_units_are_microvolts() -> None:
    traces = Traces(described(unit="volts"))
    signal = eeg(1000)
    traces.push((signal + 300e3) / 1e6, np.arange(1000) / 100)
    _, shown = traces.latest(500)
    assert abs(shown.mean()) < 1
    assert shown.std() == pytest.approx(20, rel=0.1)


def test_what_the_config_says_is_shown() -> None:
    told = StreamConfig(rename={"C1": "Cz"}, unit="volts", sample_rate=100)
    traces = Traces(replace(described(unit="n/a"), sample_rate=0.0), told)
    traces.push(eeg(1000) / 1e6, np.arange(1000) / 100)
    assert "Cz" in traces.labels
    assert "C1" not in traces.labels
    assert traces.latest(500)[1].std() == pytest.approx(20, rel=0.1)


def test_a_stream_without_units_is_shown_in_the_daemons() -> None:
    traces = Traces(described(unit=""), own="volts")
    traces.push(eeg(1000) / 1e6, np.arange(1000) / 100)
    assert traces.latest(500)[1].std() == pytest.approx(20, rel=0.1)
    assert traces.bad() == {}


def test_bad_channels_are_named() -> None:
    traces = Traces(described(channels=5))
    samples = eeg(300, 5)
    samples[:, 1] = 7.0
    samples[:, 2] = np.clip(samples[:, 2], -5, 5)
    samples[250, 3] = np.nan
    samples[:, 4] *= 1e5
    traces.push(samples, np.arange(300) / 100)
    assert traces.bad() == {
        "C1": "flat", "C2": "at a rail", "C3": "no numbers", "C4": "too large"
    }  # fmt: skip
    _, shown = traces.latest(100)
    assert np.isnan(shown[3]).sum() == 1
    traces.push(eeg(300, 5), 3 + np.arange(300) / 100)
    assert traces.bad() == {}


def test_a_stream_without_labels_or_with_very_many_is_shown_by_numbers() -> None:
    traces = Traces(described(channels=MAX_CHANNELS + 50, labels=False))
    traces.push(eeg(300, MAX_CHANNELS + 50), np.arange(300) / 100)
    assert len(traces.labels) == MAX_CHANNELS
    assert traces.labels[:2] == ("1", "2")


def test_a_rate_is_not_told_before_it_is_known() -> None:
    traces = Traces(described())
    traces.push(eeg(300), np.arange(300) / 100)
    assert traces.effective_rate is None
    traces.push(eeg(300), 3 + np.arange(300) / 100)
    assert traces.effective_rate == pytest.approx(100)
