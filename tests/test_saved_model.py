"""SavedModels: rebuilt from what Keras noted of them, whatever stands in their graph."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import tf_keras
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel
from tensorflow.python.keras.protobuf.saved_metadata_pb2 import SavedMetadata

from daemon.contract import Contract
from daemon.encoders.loading import load, load_keras
from daemon.errors import UsageError

STEPS, CHANNELS, CLASSES = 20, 3, 4
L = tf_keras.layers


def functional(*layers: Any) -> Any:
    eeg = tf_keras.Input((STEPS, CHANNELS))
    tensor = eeg
    for layer in layers:
        tensor = layer(tensor)
    return tf_keras.Model(eeg, tensor)


def sequential() -> Any:
    return tf_keras.Sequential(
        [
            L.Dropout(0.2, input_shape=(STEPS, CHANNELS)),
            L.LSTM(4, recurrent_activation="hard_sigmoid"),
            L.Dense(CLASSES, activation="softmax"),
        ]
    )


def per_channel() -> Any:
    eeg = [tf_keras.Input((STEPS, 1)) for _ in range(CHANNELS)]
    merged = L.Concatenate()([L.Conv1D(2, 3)(channel) for channel in eeg])
    return tf_keras.Model(eeg, L.Dense(CLASSES, activation="softmax")(L.Flatten()(merged)))


def nested() -> Any:
    """Weights that are trained and others, a layer within a layer, some that are frozen."""
    inner = tf_keras.Sequential(
        [tf_keras.Input((STEPS, 6)), L.BatchNormalization(), L.TimeDistributed(L.Dense(3))]
    )
    both = L.Bidirectional(L.SimpleRNN(3, return_sequences=True))
    frozen = L.BatchNormalization(trainable=False)
    return functional(both, inner, L.BatchNormalization(), frozen, L.Flatten(), L.Dense(CLASSES))


def operations() -> Any:
    eeg = tf_keras.Input((STEPS, CHANNELS))
    last = L.Dense(5)(eeg)[:, -1]
    return tf_keras.Model(eeg, L.Dense(CLASSES)(1.0 - 0.5 * last))


def small() -> Any:
    return functional(L.Flatten(), L.Dense(CLASSES, activation="softmax"))


def saved(model: Any, folder: Path) -> Path:
    generator = np.random.default_rng(7)
    model.set_weights(
        [0.1 + 0.3 * np.abs(generator.normal(size=weight.shape)) for weight in model.get_weights()]
    )
    model.save(folder, save_format="tf")
    return folder


def outputs(model: Any) -> np.ndarray:
    generator = np.random.default_rng(3)
    eeg = [generator.normal(size=(2, *i.shape[1:])).astype(np.float32) for i in model.inputs]
    return np.asarray(model(eeg if len(eeg) > 1 else eeg[0]))


def as_tensorflow_2_4(folder: Path) -> Path:
    """Keras's notes moved to where they were before TensorFlow 2.5."""
    metadata = folder / "keras_metadata.pb"
    graph = SavedModel.FromString((folder / "saved_model.pb").read_bytes())
    objects = graph.meta_graphs[0].object_graph_def.nodes
    for node in SavedMetadata.FromString(metadata.read_bytes()).nodes:
        objects[node.node_id].user_object.metadata = node.metadata
    (folder / "saved_model.pb").write_bytes(graph.SerializeToString())
    metadata.unlink()
    return folder


@pytest.mark.parametrize("build", [sequential, per_channel, nested, operations])
def test_gives_the_outputs_of_its_writer(build: Callable[[], Any], tmp_path: Path) -> None:
    written = build()
    folder = saved(written, tmp_path / "saved")
    np.testing.assert_allclose(outputs(load_keras(folder)), outputs(written), rtol=0, atol=1e-6)
    older = as_tensorflow_2_4(folder)
    np.testing.assert_allclose(outputs(load_keras(older)), outputs(written), rtol=0, atol=1e-6)


def test_a_config_names_its_folder_and_has_the_contract(tmp_path: Path) -> None:
    folder = saved(small(), tmp_path / "saved")
    contract = Contract(
        sample_rate=160.0,
        window=STEPS,
        channels=("C3", "Cz", "C4"),
        classes=tuple("abcd"),
    )
    loaded = load(folder, contract)
    assert loaded.contract == contract
    assert loaded.path == folder
    with pytest.raises(UsageError, match="comes without a contract"):
        load(folder, None)
    # The hash is of what the model is made of.
    again = shutil.copytree(folder, tmp_path / "again")
    (again / "saved_model.pb").write_bytes(b"")
    assert load(again, contract).sha256 == loaded.sha256
    data = again / "variables" / "variables.data-00000-of-00001"
    content = bytearray(data.read_bytes())
    content[0] ^= 1
    data.write_bytes(content)
    with pytest.raises(UsageError, match="cannot be read"):
        load(again, contract)


class Hostile(tf.Module):
    """Writes a file when it is loaded, and when it is called."""

    def __init__(self, trace: Path) -> None:
        super().__init__()
        self.trace = str(trace)

    @tf.function(input_signature=[tf.TensorSpec((None, STEPS, CHANNELS))])
    def __call__(self, eeg: Any) -> Any:
        tf.io.write_file(self.trace, "ran")
        return eeg


def test_its_graph_never_runs(tmp_path: Path) -> None:
    """Whatever graph stands in the file, the model is what Keras noted."""
    trace = tmp_path / "trace"
    written = small()
    folder = saved(written, tmp_path / "saved")
    tf.saved_model.save(Hostile(trace), tmp_path / "hostile")
    shutil.copy(tmp_path / "hostile" / "saved_model.pb", folder / "saved_model.pb")
    np.testing.assert_allclose(outputs(load_keras(folder)), outputs(written), rtol=0, atol=1e-6)
    assert not trace.exists()
    tf.saved_model.load(str(tmp_path / "hostile"))(np.zeros((1, STEPS, CHANNELS), np.float32))
    assert trace.exists(), "run as TensorFlow runs it, it does write"


def test_a_lambda_in_it_is_refused_and_does_not_run(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    target = str(trace)
    bad = L.Lambda(lambda x: (tf.io.write_file(target, "ran"), x)[1], name="bad")
    folder = saved(functional(bad, L.Dense(CLASSES)), tmp_path / "saved")
    trace.unlink(missing_ok=True)
    with pytest.raises(UsageError, match="'bad' of class 'Lambda' is code, which eegd never runs"):
        load_keras(folder)
    assert not trace.exists()


@pytest.mark.parametrize(
    "name", ["variables/variables.index", "variables/variables.data-00000-of-00001"]
)
def test_a_part_that_is_missing_is_named(name: str, tmp_path: Path) -> None:
    folder = saved(small(), tmp_path / "saved")
    (folder / name).unlink()
    with pytest.raises(UsageError, match=f"{Path(name).name} is missing"):
        load_keras(folder)


def test_one_without_traces_is_refused(tmp_path: Path) -> None:
    small().save(tmp_path / "saved", save_format="tf", save_traces=False)
    with pytest.raises(UsageError, match="saved with save_traces=False"):
        load_keras(tmp_path / "saved")


def test_what_is_not_of_keras_is_refused(tmp_path: Path) -> None:
    module = Hostile(tmp_path / "trace")
    module.weight = tf.Variable(1.0)
    tf.saved_model.save(module, tmp_path / "saved")
    with pytest.raises(UsageError, match=r"saved_model\.pb has no description of a Keras model"):
        load_keras(tmp_path / "saved")
