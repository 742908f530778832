"""Windows with their classes → a trained encoder.

Rules that hold here:

- Settings and data decide everything: the same training, run twice on one machine, ends in the
  same weights, also where it was killed in between and started again.
- The weights that are kept are those with the least validation loss.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import keras
import numpy as np
import tensorflow as tf

from daemon.errors import EegdError
from daemon.records import Float32, Float64
from daemon.training import checkpoint as checkpoints
from daemon.training.checkpoint import History, State, best_epoch
from daemon.training.encoder import Encoder, Kind
from daemon.training.examples import Examples, batches, class_weights
from daemon.training.start import begin
from daemon.training.step import Check, Steps

Start = Literal["keras", "discriminant"]

_STEPS_AT_ONCE = 32 * 1024  # of all windows that are predicted together: 100 MB of gates
_LAST_RATE = 0.05  # of the first


@dataclass(frozen=True)
class Settings:
    """How to train.

    Attributes
    ----------
    encoder : "channel" or "common"
    epochs : int
        At most; the learning rate falls over them, along half a cosine to a twentieth.
    batch : int
        Windows of one step.
    learning_rate : float
        Adam's, at first.
    patience : int
        Epochs without a smaller validation loss after which training stops.
    seed : int
        Of first weights, order and noise.
    class_weights : bool
        Give every class the same weight in the loss, however many examples it has.
    clip : float
        Largest norm of all gradients together.
    smoothing : float
        Share of the target spread over all classes.
    noise : float
        Standard deviation of the noise added to every sample while training.
    units : tuple of int, optional
        Of the layers over all channels; `daemon.training.encoder.UNITS` by default.
    channel_units : int
        Of each channel's own LSTM.
    start : "keras" or "discriminant"
        First weights: drawn as Keras draws them, or those of `daemon.training.start`.
    memory : float
        Of that start, in steps.
    drift : float
        Standard deviation of an offset of each input, drawn anew for every window while training.
    dropout : float
        Share of what enters the common layers that is left out while training, of a window in all
        of its steps.
    """

    encoder: Kind = "channel"
    epochs: int = 60
    batch: int = 32
    learning_rate: float = 3e-3
    patience: int = 12
    seed: int = 0
    class_weights: bool = True
    clip: float = 1.0
    smoothing: float = 0.0
    noise: float = 0.0
    units: tuple[int, ...] | None = None
    channel_units: int = 1
    start: Start = "keras"
    memory: float = 1.0
    drift: float = 0.0
    dropout: float = 0.0


@dataclass(frozen=True)
class Progress:
    """How far a training is; told after each step.

    Attributes
    ----------
    epoch, epochs : int
        The one that runs, from 0, and how many there may be.
    step, steps : int
        Done of this epoch, and all of one.
    history : dict of str to list of float
        Of the epochs that are done.
    """

    epoch: int
    epochs: int
    step: int
    steps: int
    history: History


@dataclass
class Fitted:
    """A trained encoder.

    Attributes
    ----------
    model : Encoder
        With the weights of the best epoch.
    history : dict of str to list of float
        loss, accuracy, val_loss and val_accuracy, an entry an epoch. Class weights count in all.
        ``start`` is the validation loss before the first, where the start is a classifier.
    first : list of float32 arrays
        The weights that training began with.
    """

    model: Encoder
    history: History
    first: list[Float32]

    def begun(self) -> Encoder:
        """The encoder as it was when training began."""
        model = self.model
        begun = Encoder(
            model.kind,
            model.channels,
            model.classes,
            units=model.units,
            channel_units=model.channel_units,
        )
        begun.set_weights(self.first)
        return begun


def fit(
    settings: Settings,
    training: Examples,
    validation: Examples,
    *,
    classes: int,
    checkpoint: Path | None = None,
    progress: Callable[[Progress], object] = lambda progress: None,
    initial: Encoder | None = None,
) -> Fitted:
    """Train an encoder, or go on where ``checkpoint`` stands.

    Parameters
    ----------
    settings : Settings
    training, validation : Examples
        Windows of one length each.
    classes : int
    checkpoint : Path, optional
        A file that is written after each epoch; where it exists, training goes on from it.
    progress : function of Progress
    initial : Encoder, optional
        Whose weights to begin with, for example after a training on shorter windows.

    Raises
    ------
    UsageError
        The checkpoint belongs to another training, is damaged, or cannot be written.
    EegdError
        The loss is not finite any more.
    """
    model = Encoder(
        settings.encoder,
        training.windows.shape[2],
        classes,
        seed=settings.seed,
        units=settings.units,
        channel_units=settings.channel_units,
    )
    if settings.start == "discriminant":
        begin(model, training, settings.memory)
    if initial is not None:
        model.set_weights(initial.get_weights())
    optimizer = keras.optimizers.Adam(settings.learning_rate, global_clipnorm=settings.clip)
    optimizer.build(model.trainable_variables)
    weights = class_weights(training.targets, classes, even=settings.class_weights)
    steps = Steps(
        model,
        optimizer,
        training,
        batch=settings.batch,
        settings=settings,
    )
    check = Check(model, validation, settings.batch)

    first: list[Float32] = model.get_weights()
    mark = ""
    state = None
    if checkpoint is not None:
        data = (training.windows, training.targets, validation.windows, validation.targets)
        mark = checkpoints.fingerprint(json.dumps(asdict(settings)), (*data, *first))
        state = checkpoints.read(checkpoint, mark)
    if state is None:
        names = ("loss", "accuracy", "val_loss", "val_accuracy")
        state = State([], [], first, {name: [] for name in names})
        if settings.start == "discriminant":
            sums = sum(map(check, batches(validation, weights, settings.batch)), np.zeros(3))
            state.history["start"] = [float(sums[0] / sums[2])]
    else:
        model.set_weights(state.weights)
        for variable, value in zip(optimizer.variables, state.optimizer, strict=True):
            variable.assign(value)

    history = state.history
    while (epoch := len(history["loss"])) < settings.epochs and not _enough(history, settings):
        turn = (1 + np.cos(np.pi * epoch / settings.epochs)) / 2
        optimizer.learning_rate = settings.learning_rate * max(_LAST_RATE, float(turn))
        order = np.random.default_rng((settings.seed, epoch))
        shuffled = list(batches(training, weights, settings.batch, order))
        sums = np.zeros(3)
        for n, batch in enumerate(shuffled):
            sums += steps(batch, (epoch, n))
            if not np.isfinite(sums[0]):
                raise EegdError(
                    f"the training's loss is not finite in epoch {epoch + 1}: "
                    f"take a lower learning rate than {settings.learning_rate:g}"
                )
            progress(Progress(epoch, settings.epochs, n + 1, len(shuffled), history))
        checked = sum(map(check, batches(validation, weights, settings.batch)), np.zeros(3))
        for name, one in (("", sums), ("val_", checked)):
            history[f"{name}loss"].append(float(one[0] / one[2]))
            history[f"{name}accuracy"].append(float(one[1] / one[2]))
        if best_epoch(history) == epoch:
            state.best = model.get_weights()
        state.weights = model.get_weights()
        state.optimizer = [np.asarray(variable) for variable in optimizer.variables]
        if checkpoint is not None:
            checkpoints.save(checkpoint, mark, state)
    model.set_weights(state.best)
    return Fitted(model, history, first)


def logits(model: Encoder, windows: Float32) -> Float64:
    """The encoder's output before its softmax, (n, classes), for windows of any one length."""
    steps = windows.shape[1]
    size = max(1, min(len(windows), _STEPS_AT_ONCE // steps))

    @tf.function(jit_compile=True, autograph=False)
    def run(some: tf.Tensor) -> tf.Tensor:
        return model.logits(some)

    run = run.get_concrete_function(tf.TensorSpec((size, *windows.shape[1:]), tf.float32))
    parts = []
    for first in range(0, len(windows), size):
        some = windows[first : first + size]
        padded = np.concatenate([some, np.zeros((size - len(some), *some.shape[1:]), np.float32)])
        parts.append(run(tf.constant(padded)).numpy()[: len(some)])
    return np.concatenate(parts).astype(np.float64) if parts else np.empty((0, model.classes))


def predict(model: Encoder, windows: Float32) -> Float64:
    """Probabilities, (n, classes)."""
    given = logits(model, windows)
    powers = np.exp(given - given.max(axis=1, keepdims=True))
    probabilities: Float64 = powers / powers.sum(axis=1, keepdims=True)
    return probabilities


def _enough(history: History, settings: Settings) -> bool:
    epochs = len(history["val_loss"])
    return epochs > 0 and epochs - 1 - best_epoch(history) >= settings.patience
