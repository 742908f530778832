"""First weights that already answer: a linear discriminant with a leaky memory.

Rules that hold here:

- A channel's first unit hands on what it is given, nearly as it is.
- The first common units, one a class, add up what a shrinkage discriminant says of each step, and
  forget it within ``memory`` steps. The others have weights as Keras draws them, and memories from
  one step to ``memory``. None begins with a longer one: an encoder that is deployed with longer
  windows than it learned from must not be led by what it has never met.
- The head is a logistic regression of all units.

Training starts from there. A few hundred windows do not suffice to find as much from chance.
"""

from __future__ import annotations

import numpy as np
import tensorflow as tf
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression

from daemon.records import Float32, Float64
from daemon.training.encoder import Encoder
from daemon.training.examples import NO_CLASS, Examples
from daemon.training.recurrence import GATES
from daemon.training.scores import Indices

_INPUT, _FORGET, _CELL, _OUTPUT = range(GATES)

_OPEN = 3.0  # a gate's bias at which it lets 95 % through
_HANDED_ON = 0.4  # of a channel's input: small, where tanh is straight
_SAID = 0.5  # standard deviation of what the discriminant says, as it enters a cell
_REGULARIZATION = 0.025  # scikit-learn's C, for each window counted once
_ITERATIONS = 500


def begin(model: Encoder, examples: Examples, memory: float) -> None:
    """Set the weights of ``model``, which has one common layer with a unit for each class or more.

    Parameters
    ----------
    model : Encoder
    examples : Examples
        With a target for each window, or for its steps from some one on; inputs in z-scores.
    memory : float
        Steps within which the discriminant's units forget to 1 / e.
    """
    targets = examples.targets
    asked = targets[0] != NO_CLASS if targets.ndim == 2 else np.arange(1)
    of_window = targets[:, -1] if targets.ndim == 2 else targets
    if model.kind == "channel":
        _hand_on(model)
    windows = examples.windows
    given = model.channel_outputs(tf.constant(windows))
    first = given.numpy()[..., :: model.channel_units].transpose(1, 0, 2)
    # What is handed on of an input, by least squares.
    share = float((first * windows).sum(dtype=np.float64) / (windows**2).sum(dtype=np.float64))
    weights, bias = _discriminant(windows, of_window, memory)
    _common(model, weights, bias, windows, share, memory)
    units = model.common_outputs(given).numpy().astype(np.float64)
    _head(model, units[asked] if targets.ndim == 2 else units[-1:], of_window)


def _hand_on(model: Encoder) -> None:
    kernel, recurrent, bias = (np.array(weight) for weight in model.channel_weights)
    kernel[:], recurrent[:], bias[:] = 0, 0, 0
    kernel[_CELL] = _HANDED_ON
    bias[_INPUT], bias[_FORGET], bias[_OUTPUT] = _OPEN, -_OPEN, _OPEN
    for variable, value in zip(model.channel_weights, (kernel, recurrent, bias), strict=True):
        variable.assign(value)


def _discriminant(windows: Float32, targets: Indices, memory: float) -> tuple[Float64, Float64]:
    """Scores of a step's inputs: weights (classes, inputs) and bias (classes,).

    Learned from each window's mean as a memory that leaks has it at the end.
    """
    leaks = np.exp(-np.arange(windows.shape[1])[::-1] / memory)
    means = np.einsum("t,ntf->nf", leaks / leaks.sum(), windows.astype(np.float64))
    count = int(targets.max()) + 1
    discriminant = LinearDiscriminantAnalysis(
        solver="lsqr", shrinkage="auto", priors=np.full(count, 1 / count)
    ).fit(means, targets)
    return _centred(*_of_two(discriminant.coef_, discriminant.intercept_))


def _common(
    model: Encoder,
    weights: Float64,
    bias: Float64,
    windows: Float32,
    share: float,
    memory: float,
) -> None:
    """The one common layer, for inputs of which ``share`` is handed on to it."""
    classes, units = len(weights), model.units[0]
    kernel, recurrent, biases = (np.array(weight) for weight in model.common_weights[0])
    kernel = kernel.reshape(-1, GATES, units)
    recurrent = recurrent.reshape(units, GATES, units)
    biases = biases.reshape(GATES, units)
    # Keras draws for inputs of standard deviation one.
    kernel *= 0.25 / share
    kernel[..., :classes], recurrent[..., :classes] = 0, 0
    said = np.einsum("cf,ntf->ntc", weights, windows.astype(np.float64)) + bias
    scale = _SAID / said.std(axis=(0, 1))
    kernel[:: model.channel_units, _CELL, :classes] = (weights * scale[:, None] / share).T
    memories = np.geomspace(1, max(memory, 1), max(units - classes, 1))[: units - classes]
    biases[:] = 0
    biases[_CELL, :classes] = bias * scale
    biases[_OUTPUT, :classes] = 1
    biases[_FORGET] = _logit(np.exp(-1 / np.append(np.full(classes, memory), memories)))
    parts = (kernel.reshape(-1, GATES * units), recurrent.reshape(units, -1), biases.reshape(-1))
    for variable, value in zip(model.common_weights[0], parts, strict=True):
        variable.assign(value)


def _head(model: Encoder, units: Float64, targets: Indices) -> None:
    """``units`` (steps, windows, units) are those of the steps that are asked."""
    steps = len(units)
    every = units.reshape(-1, units.shape[-1])
    mean, deviation = every.mean(axis=0), every.std(axis=0) + 1e-6
    regression = LogisticRegression(
        C=_REGULARIZATION, class_weight="balanced", max_iter=_ITERATIONS
    ).fit((every - mean) / deviation, np.tile(targets, steps), np.full(len(every), 1 / steps))
    weights, bias = _of_two(regression.coef_, regression.intercept_)
    weights = weights / deviation
    model.head[0].assign(weights.T)
    model.head[1].assign(bias - weights @ mean)


def _of_two(weights: Float64, bias: Float64) -> tuple[Float64, Float64]:
    """A row for each class, also where scikit-learn gives the second one's lead alone."""
    if len(weights) > 1:
        return weights, bias
    return np.concatenate([-weights, weights]) / 2, np.concatenate([-bias, bias]) / 2


def _centred(weights: Float64, bias: Float64) -> tuple[Float64, Float64]:
    """Without what is the same for all classes."""
    return weights - weights.mean(axis=0), bias - bias.mean()


def _logit(share: Float64) -> Float64:
    odds: Float64 = np.log(share / (1 - share))
    return odds
