"""Weights under the names and in the layouts of other Keras versions."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from daemon.encoders.description import Refused
from daemon.encoders.weights import mend, of_cudnn


@pytest.fixture
def file(tmp_path: Path) -> h5py.File:
    with h5py.File(tmp_path / "model.weights.h5", "w") as content:
        yield content


def datasets(file: h5py.File) -> dict[str, float]:
    found: dict[str, float] = {}
    file.visititems(
        lambda name, kind: (
            found.update({name: float(np.ravel(kind)[0])})
            if isinstance(kind, h5py.Dataset)
            else None
        )
    )
    return found


def test_names_that_windows_joined(file: h5py.File) -> None:
    file["layers\\lstm\\cell/vars/0"] = [1.0]
    file["layers\\lstm/vars/0"] = [2.0]
    file.create_group("layers\\dropout/vars")
    mend(file, cudnn=False)
    assert datasets(file) == {"layers/lstm/cell/vars/0": 1.0, "layers/lstm/vars/0": 2.0}
    assert "layers/dropout/vars" in file


@pytest.mark.parametrize("separator", ["/", "\\"])
def test_layers_that_were_counted_twice(file: h5py.File, separator: str) -> None:
    top = "_layer_checkpoint_dependencies"
    for n, name in enumerate(["lstm", "lstm_2", "lstm_10", "conv1d", "conv1d_1", "model"]):
        file[f"{top}{separator}{name}/vars/0"] = [float(n)]
    for n, name in enumerate(["dense", "dense_2"]):
        file[f"{top}{separator}model{separator}{top}{separator}{name}/vars/0"] = [float(10 + n)]
    mend(file, cudnn=False)
    assert datasets(file) == {
        f"{top}/lstm/vars/0": 0.0,
        f"{top}/lstm_1/vars/0": 1.0,
        f"{top}/lstm_2/vars/0": 2.0,
        f"{top}/conv1d/vars/0": 3.0,
        f"{top}/conv1d_1/vars/0": 4.0,
        f"{top}/model/vars/0": 5.0,
        f"{top}/model/{top}/dense/vars/0": 10.0,
        f"{top}/model/{top}/dense_1/vars/0": 11.0,
    }


def test_weights_that_were_lost_are_missed(file: h5py.File) -> None:
    """Keras 3.0 wrote both halves of a Bidirectional into one place: equal shapes would load."""
    file["bidirectional/kernel"] = [1.0]
    file["bidirectional"].attrs["weight_names"] = ["kernel", "kernel"]
    with pytest.raises(Refused, match="'bidirectional' the same name"):
        mend(file, cudnn=False)


def test_a_layer_without_its_weights_is_missed(file: h5py.File) -> None:
    file.create_group("model_weights").attrs["layer_names"] = [b"dense"]
    with pytest.raises(Refused, match="no weights of its layer 'dense'"):
        mend(file, cudnn=False)


@pytest.mark.parametrize("gates", [4, 3])
def test_gates_of_cudnn(gates: int) -> None:
    """Each gate's kernels are transposed, and there are two biases; only the GRU needs both."""
    inputs, units = 3, 5
    rng = np.random.default_rng(0)
    kernel = rng.normal(size=(inputs, gates * units)).astype(np.float32)
    recurrent = rng.normal(size=(units, gates * units)).astype(np.float32)
    bias = rng.normal(size=(2 * gates * units,)).astype(np.float32)
    found = of_cudnn(kernel, recurrent, bias)
    assert found is not None
    for gate in range(gates):
        own = slice(gate * units, (gate + 1) * units)
        # Keras stored the transposed matrix of each gate under the shape of the other.
        np.testing.assert_array_equal(found[0][:, own].T.ravel(), kernel[:, own].ravel())
        np.testing.assert_array_equal(found[1][:, own].T, recurrent[:, own])
    two = bias.reshape(2, -1)
    np.testing.assert_array_equal(found[2], two.sum(axis=0) if gates == 4 else two)


def test_no_other_weights_are_taken_for_cudnn(file: h5py.File) -> None:
    for shapes in (
        [(3, 20), (5, 20), (20,)],  # LSTM
        [(3, 15), (5, 15), (2, 15)],  # GRU
        [(3, 20), (4, 20), (40,)],
        [(3, 20), (0, 20), (40,)],
        [(3,), (5, 20), (40,)],
    ):
        assert of_cudnn(*(np.zeros(shape, np.float32) for shape in shapes)) is None
    file["model_weights/a/kernel"] = np.ones((3, 20), np.float32)
    file["model_weights/a/recurrent"] = np.ones((5, 20), np.float32)
    file["model_weights/a/bias"] = np.ones(40, np.float32)
    names = ["kernel", "recurrent", "bias"]
    file["model_weights/a"].attrs["weight_names"] = names
    mend(file, cudnn=False)
    assert file["model_weights/a/bias"].shape == (40,)
    mend(file, cudnn=True)
    assert file["model_weights/a/bias"].shape == (20,)
