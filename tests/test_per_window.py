"""Each step on a whole window is what NumPy and SciPy give, and no window sees another."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy import signal

from daemon.contract import Contract
from daemon.errors import UsageError
from daemon.per_window import NOTHING, PerWindow
from daemon.validation import validated
from daemon.window_steps import WindowStep

RATE, CHANNELS, STEPS = 100.0, 3, 250

WINDOW = (
    np.random.default_rng(0)
    .normal([[5], [-200], [0]], [[1], [30], [1e-3]], (CHANNELS, STEPS))
    .astype(np.float32)
)
X = WINDOW.astype(np.float64)


def across(values: np.ndarray) -> np.ndarray:
    return values[:, None]


def band(order: int) -> np.ndarray:
    return signal.butter(order, [1, 40], "bandpass", fs=RATE, output="sos")


EXPECTED: dict[str, tuple[object, Callable[[], np.ndarray]]] = {
    "demean": ("demean", lambda: X - across(X.mean(1))),
    "detrend": ("detrend", lambda: signal.detrend(X, axis=1)),
    "zscore": ("zscore", lambda: (X - across(X.mean(1))) / across(X.std(1))),
    "zscore over all": ({"zscore": {"over": "all"}}, lambda: (X - X.mean()) / X.std()),
    "zscore with epsilon": (
        {"zscore": {"epsilon": 0.5, "ddof": 1}},
        lambda: (X - across(X.mean(1))) / (across(X.std(1, ddof=1)) + 0.5),
    ),
    "minmax": ("minmax", lambda: (X - across(X.min(1))) / across(np.ptp(X, 1))),
    "minmax over all": (
        {"minmax": {"over": "all", "epsilon": 2, "to": [-1, 1]}},
        lambda: -1 + 2 * (X - X.min()) / (np.ptp(X) + 2),
    ),
    "reference": ({"reference": "average"}, lambda: X - X.mean(0)),
    "scale": ({"scale": 1e-6}, lambda: X * 1e-6),
    "bandpass": ({"bandpass": [1, 40]}, lambda: signal.sosfiltfilt(band(2), X)),
    "bandpass of order 4": (
        {"bandpass": {"low": 1, "high": 40, "order": 4}},
        lambda: signal.sosfiltfilt(band(4), X),
    ),
    "highpass": (
        {"highpass": 2},
        lambda: signal.sosfiltfilt(signal.butter(2, 2, "highpass", fs=RATE, output="sos"), X),
    ),
    "notch": (
        {"notch": 25},
        lambda: signal.sosfiltfilt(signal.tf2sos(*signal.iirnotch(25, 30, fs=RATE)), X),
    ),
}


def steps(*written: object) -> list[WindowStep]:
    return [WindowStep.model_validate(one) for one in written]


@pytest.mark.parametrize("name", EXPECTED)
def test_a_step_is_what_numpy_and_scipy_give(name: str) -> None:
    written, expected = EXPECTED[name]
    given = PerWindow(steps(written), RATE).apply(WINDOW)
    assert given.dtype == np.float32
    assert given.shape == WINDOW.shape
    # Computed in float64 and rounded once.
    np.testing.assert_array_equal(given, expected().astype(np.float32))


def test_steps_follow_each_other_in_float64() -> None:
    chain = PerWindow(steps({"scale": 1e-6}, "demean", {"bandpass": [1, 40]}, "zscore"), RATE)
    filtered = signal.sosfiltfilt(band(2), X * 1e-6 - across((X * 1e-6).mean(1)))
    expected = (filtered - across(filtered.mean(1))) / across(filtered.std(1))
    np.testing.assert_array_equal(chain.apply(WINDOW), expected.astype(np.float32))
    other = chain.apply(-WINDOW)
    np.testing.assert_array_equal(chain.apply(WINDOW), expected.astype(np.float32))
    np.testing.assert_allclose(other, -expected, atol=1e-4)


def test_no_steps_change_nothing_and_a_dead_channel_gives_no_number() -> None:
    assert NOTHING.apply(WINDOW) is WINDOW
    assert not NOTHING
    dead = PerWindow(steps("zscore"), RATE).apply(np.zeros_like(WINDOW))
    assert np.isnan(dead).all()


def contract(per_window: object, window: int = STEPS) -> Contract:
    content = {"sample_rate": RATE, "window": window, "channels": ["C3"], "classes": ["a", "b"]}
    return validated(Contract, {**content, "per_window": per_window}, "contract.yaml")


def test_a_contract_keeps_its_steps_as_written_and_in_words() -> None:
    written = ["demean", {"zscore": {"over": "all", "epsilon": 1e-8}}, {"bandpass": [1, 40]}]
    kept = contract(written)
    assert [str(step) for step in kept.per_window] == [
        "demean",
        "z-score of the window over all channels",
        "band-pass 1 to 40 Hz (order 2), zero phase",
    ]
    again = Contract.model_validate_json(kept.model_dump_json())
    assert again == kept == Contract.model_validate(kept.model_dump(mode="json"))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (["zscor"], "'zscor' is no step: there are highpass, lowpass"),
        ([{"bandpass": [1, 60]}], "bandpass 60 Hz is not between 0 and half of sample_rate"),
        ([{"bandpass": [40, 1]}], "is no band"),
        ([{"scale": 0}], "scale 0 leaves nothing"),
        ([{"minmax": {"to": [1, 0]}}], "is no range"),
        ([{"demean": True, "detrend": True}], "a mapping of one key"),
        ([{"reference": ["C3"]}], "reference"),
        ([{"zscore": {"over": "time"}}], "over"),
    ],
)
def test_what_makes_no_sense_is_refused_with_the_key(wrong: object, said: str) -> None:
    with pytest.raises(UsageError, match=r"^contract\.yaml: per_window") as refused:
        contract(wrong)
    assert said in str(refused.value)


def test_a_filter_needs_more_samples_than_it_is_extended_by() -> None:
    with pytest.raises(UsageError, match="needs windows of more than 15 steps"):
        contract([{"bandpass": [1, 40]}], window=15)
    window = np.random.default_rng(1).normal(size=(1, 16)).astype(np.float32)
    assert PerWindow(contract([{"bandpass": [1, 40]}], window=16).per_window, RATE).apply(
        window
    ).shape == (1, 16)
