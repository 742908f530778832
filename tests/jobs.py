"""What an engine is given in tests: a Keras model on windows of a length."""

from __future__ import annotations

from dataclasses import replace

import keras

from daemon.encoders.keras_network import KerasNetwork
from daemon.encoders.network import usual_layout
from daemon.encoders.plan import Job


def job(model: keras.Model, window: int, hop: int, **more: object) -> Job:
    """``more`` are other fields of the job than the usual ones of a common or channel encoder."""
    network = KerasNetwork(model)
    several = len(model.inputs) > 1
    channels = len(model.inputs) if several else int(model.inputs[0].shape[-1])
    usual = Job(network, usual_layout(network), channels, window, hop)
    return replace(usual, **more)  # type: ignore[arg-type]
