"""Who computes on which core: the engines' own threads, where it is they that run the model."""

from __future__ import annotations

import os

import tensorflow as tf


def count() -> int:
    """Cores of this computer."""
    return os.cpu_count() or 1


def leave_to_engines() -> None:
    """Keep TensorFlow from sharing out single operations, unless it has already begun to.

    The threads that it has for that wait for their next share by spinning, on the cores that the
    engines' own threads need: products of a few rows then take longer, and twice the processor.
    Holds for the life of the process, and is for models that `fuse` takes: any other has nothing
    but those threads to use several cores.
    """
    try:
        tf.config.threading.set_intra_op_parallelism_threads(1)
    except RuntimeError:
        # A model was run before this one, and TensorFlow keeps what threads it has.
        return
