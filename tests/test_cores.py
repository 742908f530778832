"""Which threads a model gets, decided before TensorFlow has any."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import keras
import pytest

from daemon.encoders.architectures import common_lstm

_LOAD = """
import sys
from pathlib import Path
from daemon.chatter import import_tensorflow
import_tensorflow(gpu=False)
import tensorflow as tf
from daemon.encoders.loading import load_keras
load_keras(Path(sys.argv[1]))
print(tf.config.threading.get_intra_op_parallelism_threads())
"""


def _convolution() -> keras.Model:
    return keras.Sequential([keras.Input((20, 4)), keras.layers.Conv1D(2, 3), keras.layers.LSTM(2)])


@pytest.mark.parametrize(
    ("model", "threads"),
    [
        pytest.param(lambda: common_lstm(20, 4, units=(3, 2)), "1", id="LSTM stack"),
        pytest.param(_convolution, "0", id="any other"),  # 0 is TensorFlow's own choice
    ],
)
def test_operations_are_shared_out_where_no_engine_does_it(
    model: Callable[[], keras.Model], threads: str, tmp_path: Path
) -> None:
    path = tmp_path / "model.keras"
    model().save(path)
    done = subprocess.run(
        [sys.executable, "-c", _LOAD, str(path)], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == threads
