"""Several encoders → one that answers the mean of their logits, exactly.

Its layers are theirs side by side: a channel's units, the common units, and a head of all. What
one member's units would get from another's is zero.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from daemon.errors import EegdError
from daemon.records import Float32
from daemon.training.encoder import Encoder
from daemon.training.recurrence import GATES

_CHECKED_STEPS, _CHECKED_WINDOWS = 16, 4
_TOLERANCE = 1e-4  # of logits, for sums in another order


def folded(members: Sequence[Encoder]) -> Encoder:
    """One encoder for ``members``, which have one shape and one common layer.

    Raises
    ------
    EegdError
        It does not answer their mean.
    """
    first, count = members[0], len(members)
    if count == 1:
        return first
    one = Encoder(
        first.kind,
        first.channels,
        first.classes,
        units=[units * count for units in first.units],
        channel_units=first.channel_units * count,
    )
    kernels, recurrents, biases = _each(members, lambda member: member.common_weights[0])
    entering = [_gated(kernel) for kernel in kernels]
    if one.kind == "channel":
        own = _each(members, lambda member: member.channel_weights)
        parts = (np.concatenate(own[0], -1), _diagonal(own[1]), np.concatenate(own[2], -1))
        _assign(one.channel_weights, parts)
        # A channel's units stand together, those of all members.
        shape = (GATES, first.channels, first.channel_units, -1)
        kernel = _diagonal([part.reshape(shape) for part in entering])
        kernel = kernel.reshape(GATES, one.entering, -1)
    else:
        kernel = np.concatenate(entering, -1)
    recurrent = _diagonal([_gated(weights) for weights in recurrents])
    bias = np.concatenate([weights.reshape(GATES, -1) for weights in biases], -1)
    _assign(one.common_weights[0], (_ungated(kernel), _ungated(recurrent), bias.reshape(-1)))
    heads, offsets = _each(members, lambda member: member.head)
    _assign(one.head, (np.concatenate(heads) / np.float32(count), np.mean(offsets, axis=0)))
    _require_mean(one, members)
    return one


def _require_mean(one: Encoder, members: Sequence[Encoder]) -> None:
    shape = (_CHECKED_WINDOWS, _CHECKED_STEPS, one.channels)
    windows = tf.constant(np.random.default_rng(0).normal(size=shape).astype(np.float32))
    expected = np.mean([member.logits(windows).numpy() for member in members], axis=0)
    difference = float(np.abs(one.logits(windows).numpy() - expected).max())
    if not difference <= _TOLERANCE * max(1.0, float(np.abs(expected).max())):
        raise EegdError(
            f"the members of the encoder, put together, differ by {difference:.1g} from their "
            "mean: this is a fault of this program, please report it"
        )


def _each(
    members: Sequence[Encoder], weights: Callable[[Encoder], Sequence[Any]]
) -> list[list[Float32]]:
    """For each of some variables, its values in all members."""
    values = [[np.asarray(variable) for variable in weights(member)] for member in members]
    return [list(of_one) for of_one in zip(*values, strict=True)]


def _assign(variables: Sequence[Any], values: Sequence[Float32]) -> None:
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)


def _gated(weights: Float32) -> Float32:
    """(rows, gates · units) → (gates, rows, units)."""
    return weights.reshape(len(weights), GATES, -1).transpose(1, 0, 2)


def _ungated(weights: Float32) -> Float32:
    gates, rows, units = weights.shape
    return weights.transpose(1, 0, 2).reshape(rows, gates * units)


def _diagonal(blocks: Sequence[Float32]) -> Float32:
    """``blocks`` (…, rows, columns) along the diagonal of a larger one, and zeros beside them."""
    *outer, rows, columns = blocks[0].shape
    count = len(blocks)
    whole = np.zeros((*outer, count, rows, count, columns), np.float32)
    for n, block in enumerate(blocks):
        whole[..., n, :, n, :] = block
    return whole.reshape(*outer, count * rows, count * columns)
