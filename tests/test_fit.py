"""Training learns, repeats itself exactly, and survives a kill."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from daemon.errors import EegdError, UsageError
from daemon.training.checkpoint import History, State, read, save
from daemon.training.encoder import export
from daemon.training.examples import NO_CLASS, Examples
from daemon.training.fit import Fitted, Progress, Settings, fit, logits, predict

CLASSES = 3
SETTINGS = Settings(
    "channel", epochs=4, batch=8, learning_rate=0.01, class_weights=False, noise=0.1
)
# Channel n's mean tells class n.
BEGUN = replace(
    SETTINGS, noise=0.0, units=(6,), start="discriminant", memory=5.0, drift=0.5, dropout=0.3
)


def examples(seed: int, count: int = 40, steps: int = 20) -> Examples:
    """Class n swings on channel n; with steps of both signs, so that no mean tells."""
    random = np.random.default_rng(seed)
    windows = random.normal(0, 0.3, (count, steps, CLASSES)).astype(np.float32)
    targets = random.integers(0, CLASSES, count)
    swing = np.sin(np.arange(steps))
    windows[np.arange(count), :, targets] += 2 * swing
    return Examples(windows, targets)


def run(settings: Settings = SETTINGS, checkpoint: Path | None = None, **more: object) -> Fitted:
    return fit(settings, examples(0), examples(1), classes=CLASSES, checkpoint=checkpoint, **more)


@pytest.fixture(scope="module")
def whole() -> Fitted:
    return run()


def same(one: Fitted, other: Fitted) -> bool:
    pairs = zip(one.model.get_weights(), other.model.get_weights(), strict=True)
    return one.history == other.history and all(np.array_equal(a, b) for a, b in pairs)


def test_it_learns_and_the_best_weights_are_kept(whole: Fitted) -> None:
    losses = whole.history["val_loss"]
    assert len(losses) == SETTINGS.epochs
    new = examples(1)
    given = predict(whole.model, new.windows)
    loss = -np.log(given[np.arange(len(given)), new.targets]).mean()
    assert loss == pytest.approx(min(losses), rel=1e-4)
    assert losses[-1] < losses[0]
    longer = Settings("channel", epochs=25, batch=8, learning_rate=0.02)
    learned = run(longer, initial=whole.model)
    new = examples(2, count=60, steps=30)
    assert (predict(learned.model, new.windows).argmax(1) == new.targets).mean() > 0.9


PLAIN_KERAS = """
import sys, keras, numpy as np
windows = np.load("windows.npy")
model = keras.saving.load_model("model.keras")
given = model([windows[:, :, n : n + 1] for n in range(windows.shape[2])])
np.save("given.npy", np.asarray(given))
assert "daemon" not in sys.modules
"""


def test_probabilities_are_the_softmax_of_the_logits_and_the_exports(
    whole: Fitted, tmp_path: Path
) -> None:
    windows = examples(3, count=5).windows
    powers = np.exp(logits(whole.model, windows))
    given = predict(whole.model, windows)
    np.testing.assert_allclose(given, powers / powers.sum(axis=1, keepdims=True))
    exported = export(whole.model, windows.shape[1])
    # In a process that never imports this project.
    exported.save(tmp_path / "model.keras")
    np.save(tmp_path / "windows.npy", windows)
    subprocess.run([sys.executable, "-I", "-c", PLAIN_KERAS], cwd=tmp_path, check=True)
    np.testing.assert_allclose(np.load(tmp_path / "given.npy"), given, atol=1e-6)


@pytest.mark.parametrize("settings", [SETTINGS, BEGUN], ids=["keras", "discriminant"])
def test_a_killed_training_goes_on_and_ends_as_the_whole_one(
    settings: Settings, whole: Fitted, tmp_path: Path
) -> None:
    if settings is BEGUN:
        whole = run(BEGUN)
    checkpoint = tmp_path / "checkpoint"
    name = "BEGUN" if settings is BEGUN else "SETTINGS"
    script = f"import sys, tests.test_fit as t; t.run_until_killed(t.{name}, sys.argv[1])"
    there = Path(__file__).parents[1]
    killed = subprocess.run([sys.executable, "-c", script, str(checkpoint)], cwd=there, check=False)
    assert killed.returncode == -signal.SIGKILL
    told: list[Progress] = []
    assert same(run(settings, checkpoint, progress=told.append), whole)
    assert (told[0].epoch, told[0].step, told[0].steps) == (2, 1, 5)
    assert (told[-1].epoch, told[-1].step) == (3, 5)
    told.clear()
    assert same(run(settings, checkpoint, progress=told.append), whole)
    assert not told
    with pytest.raises(UsageError, match="other settings or other recordings"):
        run(replace(settings, seed=1), checkpoint)


def test_the_start_is_kept_where_no_epoch_does_better() -> None:
    fitted = run(replace(BEGUN, learning_rate=50.0, epochs=2))
    assert min(fitted.history["val_loss"]) > fitted.history["start"][0]
    for kept, first, begun in zip(
        fitted.model.get_weights(), fitted.first, fitted.begun().get_weights(), strict=True
    ):
        np.testing.assert_array_equal(kept, first)
        np.testing.assert_array_equal(begun, first)


@pytest.mark.parametrize("without", ["drift", "dropout"])
def test_what_regularizes_is_felt(without: str) -> None:
    one, other = (
        run(replace(BEGUN, epochs=1, **change)).history["loss"] for change in ({}, {without: 0.0})
    )
    assert one != other


def run_until_killed(settings: Settings, checkpoint: str) -> None:
    def kill(progress: Progress) -> None:
        if (progress.epoch, progress.step) == (2, 3):
            os.kill(os.getpid(), signal.SIGKILL)

    run(settings, Path(checkpoint), progress=kill)


def test_a_rare_class_counts_as_much_and_steps_without_class_not_at_all() -> None:
    """And training stops when nothing gets better: here nothing is learned."""
    some = examples(0)
    targets = np.where(some.targets == 2, 1, some.targets)
    targets[:4] = 2
    asked = 10  # steps at the end
    every = np.repeat(targets[:, None], some.windows.shape[1], axis=1)
    every[:, :-asked] = NO_CLASS
    given = Examples(some.windows, every)
    settings = Settings("common", epochs=9, batch=40, learning_rate=1e-30, patience=2)
    fitted = fit(settings, given, given, classes=CLASSES)
    predicted = np.asarray(fitted.model.logits(given.windows, every_step=True))[-asked:]
    powers = np.exp(predicted)
    right = (powers / powers.sum(axis=-1, keepdims=True))[:, np.arange(len(targets)), targets]
    expected = np.mean([-np.log(right[:, targets == n]).mean() for n in range(CLASSES)])
    assert fitted.history["val_loss"] == pytest.approx([expected] * 3, rel=1e-5)


def test_a_loss_that_is_not_finite_is_an_error_in_one_line() -> None:
    some = examples(0)
    broken = Examples(np.full_like(some.windows, np.nan), some.targets)
    with pytest.raises(EegdError, match=r"lower learning rate than 0.01"):
        fit(SETTINGS, broken, some, classes=CLASSES)


def test_a_checkpoint_is_whole_or_the_last_one(tmp_path: Path, monkeypatch) -> None:
    path = tmp_path / "new" / "checkpoint"
    history: History = {"loss": [0.1]}
    state = State([np.ones(2)], [np.int64(3)], [np.zeros(2)], history)
    assert read(path, "a") is None
    save(path, "a", state)

    def fail(file: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(UsageError, match=r"checkpoint .* cannot be written: No space"):
        save(path, "a", replace(state, history={"loss": [0.2]}))
    kept = read(path, "a")
    assert kept is not None
    assert kept.history == history
    assert [len(kept.weights), len(kept.optimizer), len(kept.best)] == [1, 1, 1]

    whole = path.read_bytes()
    for broken in (b"", b"nothing", whole[: len(whole) // 2], whole[:-1]):
        path.write_bytes(broken)
        with pytest.raises(UsageError, match="damaged"):
            read(path, "a")
