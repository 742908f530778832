"""The ring's window → the model's inputs: (time, channel) becomes one input per channel.

The whole point of the reorder is that time stays the second axis: a model with input
(32, 15360) has taken time for channels, and looks the same to the eye.
"""

from __future__ import annotations

from daemon.records import Float32


def split_channels(batch: Float32) -> list[Float32]:
    """A batch (batch, time, channels) as ``channels`` arrays (batch, time, 1), without copying.

    The axes go (batch, time, channels) → (channels, batch, time) → (channels, batch, time, 1);
    the list holds the rows of the last form.
    """
    return list(batch.transpose(2, 0, 1)[..., None])


def model_inputs(window: Float32, *, per_channel: bool) -> list[Float32]:
    """One window, channel-major (channels, time), as the inputs of a Keras model.

    Returns
    -------
    list of float32 arrays
        ``per_channel``: as many (1, time, 1) as there are channels, views of ``window``.
        Else one (1, time, channels).
    """
    batch = window.T[None]
    return split_channels(batch) if per_channel else [batch]
