"""The ring's window → the model's inputs: (time, channel) becomes one input per channel.

The whole point of the reorder is that time stays the second axis: a model with input
(32, 15360) has taken time for channels, and looks the same to the eye.
"""

from __future__ import annotations

from daemon.layout import PER_CHANNEL, Layout, shape_of
from daemon.records import Float32


def split_channels(batch: Float32) -> list[Float32]:
    """A batch (batch, time, channels) as ``channels`` arrays (batch, time, 1), without copying.

    The axes go (batch, time, channels) → (channels, batch, time) → (channels, batch, time, 1);
    the list holds the rows of the last form.
    """
    return list(batch.transpose(2, 0, 1)[..., None])


def model_inputs(window: Float32, layout: Layout) -> list[Float32]:
    """One window, channel-major (channels, time), as the inputs of a model.

    Parameters
    ----------
    window : float32 array, shape (channels, time)
    layout : Layout
        See `daemon.layout`.

    Returns
    -------
    list of float32 arrays
        `PER_CHANNEL`: as many (1, time, 1) as there are channels. Else one (1, *axes of the
        layout). Views of ``window`` where its order allows.
    """
    if layout == PER_CHANNEL:
        return split_channels(window.T[None])
    channels, steps = window.shape
    steps_first = "*".join(layout).find("steps") < "*".join(layout).find("channels")
    ordered = window.T if steps_first else window
    return [ordered.reshape(1, *shape_of(layout, steps, channels))]
