"""What is put together answers the mean of its members, in plain Keras too."""

import numpy as np
import pytest
import tensorflow as tf

from daemon.errors import EegdError
from daemon.reorder import split_channels
from daemon.training import members as module
from daemon.training.encoder import Encoder, Kind, export
from daemon.training.members import folded


def encoders(kind: Kind, count: int, channel_units: int) -> list[Encoder]:
    made = []
    for seed in range(count):
        one = Encoder(kind, 3, 4, seed=seed, units=(5,), channel_units=channel_units)
        random = np.random.default_rng(seed)
        one.set_weights([random.normal(0, 0.5, w.shape) for w in one.get_weights()])
        made.append(one)
    return made


@pytest.mark.parametrize(
    ("kind", "count", "channel_units"), [("channel", 4, 1), ("channel", 3, 2), ("common", 2, 1)]
)
def test_logits_are_the_mean_of_the_members(kind: Kind, count: int, channel_units: int) -> None:
    several = encoders(kind, count, channel_units)
    one = folded(several)
    windows = np.random.default_rng(9).normal(size=(6, 11, 3)).astype(np.float32)
    logits = np.mean([each.logits(tf.constant(windows)).numpy() for each in several], axis=0)
    np.testing.assert_allclose(one.logits(tf.constant(windows)).numpy(), logits, atol=1e-5)
    plain = export(one, 11)
    given = np.asarray(plain(split_channels(windows) if kind == "channel" else windows))
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(given, expected, atol=1e-5)


def test_one_member_is_itself() -> None:
    (alone,) = encoders("channel", 1, 1)
    assert folded([alone]) is alone


def test_what_does_not_answer_the_mean_is_no_result(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_ungated", lambda w: np.roll(module_ungated(w), 1, axis=0))
    with pytest.raises(EegdError, match="put together, differ by"):
        folded(encoders("channel", 2, 1))


module_ungated = module._ungated
