"""The first weights are a classifier before any training, and forget."""

import numpy as np
import pytest
import tensorflow as tf

from daemon.training.encoder import Encoder, Kind
from daemon.training.examples import NO_CLASS, Examples
from daemon.training.start import begin


def examples(seed: int, count: int = 120, steps: int = 12, classes: int = 3) -> Examples:
    """Two inputs a class, of which the mean is raised; a target from the fifth step on."""
    random = np.random.default_rng(seed)
    windows = random.normal(size=(count, steps, 2 * classes)).astype(np.float32)
    of_window = np.arange(count) % classes
    for n, c in enumerate(of_window):
        windows[n, :, 2 * c : 2 * c + 2] += 0.6
    targets = np.repeat(of_window[:, None], steps, axis=1)
    targets[:, :4] = NO_CLASS
    return Examples(windows, targets)


def begun(kind: Kind = "channel", classes: int = 3, memory: float = 6, **more: int) -> Encoder:
    model = Encoder(kind, 2 * classes, classes, units=(8,), **more)
    begin(model, examples(0, classes=classes), memory)
    return model


@pytest.mark.parametrize(
    ("kind", "classes", "more"),
    [
        ("channel", 3, {}),
        ("channel", 2, {}),
        ("channel", 3, {"channel_units": 2}),
        ("common", 3, {}),
    ],
)
def test_it_answers_before_any_training(kind: Kind, classes: int, more: dict[str, int]) -> None:
    model = begun(kind, classes, **more)
    new = examples(1, classes=classes)
    given = model.logits(tf.constant(new.windows)).numpy()
    assert (given.argmax(axis=1) == new.targets[:, -1]).mean() > 0.85


def test_a_channels_unit_hands_on_what_it_is_given() -> None:
    model = begun()
    slow = np.sin(np.arange(60) / 6)[None, :, None].repeat(6, axis=2).astype(np.float32)
    given = model.channel_outputs(tf.constant(slow)).numpy()[:, 0, 0]
    assert np.corrcoef(given[1:], slow[0, 1:, 0])[0, 1] > 0.995


def test_what_lies_beyond_the_memory_is_forgotten() -> None:
    """Deployed with longer windows it answers as it would of their last steps."""
    model = begun(memory=3)
    long = np.concatenate([examples(2).windows[::-1], examples(1).windows], axis=1)
    of_all = model.logits(tf.constant(long)).numpy()
    of_last = model.logits(tf.constant(examples(1).windows)).numpy()
    assert np.abs(of_all - of_last).max() < 0.15 * of_last.std() + 0.2
    assert (of_all.argmax(1) == of_last.argmax(1)).mean() > 0.95
    forgets = np.array(model.common_weights[0][2]).reshape(4, 8)[1]
    assert np.exp(-1 / 3) + 1e-6 >= (1 / (1 + np.exp(-forgets))).max()


def test_targets_of_whole_windows_do_as_well() -> None:
    some = examples(0)
    model = Encoder("channel", 6, 3, units=(8,))
    begin(model, Examples(some.windows, some.targets[:, -1]), 6)
    new = examples(1)
    given = model.logits(tf.constant(new.windows)).numpy()
    assert (given.argmax(axis=1) == new.targets[:, -1]).mean() > 0.85
