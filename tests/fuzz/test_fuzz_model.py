"""Model files: broken archives, broken HDF5, strange descriptions. Nothing but a refusal."""

import io
import json
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mutation import FUZZ, grafted, mutated

Run = Callable[[str, Path], tuple[str, str]]


def layer(kind: str, name: str, **config: object) -> dict[str, Any]:
    return {
        "module": "keras.layers",
        "class_name": kind,
        "config": {"name": name, "dtype": "float32", **config},
        "registered_name": None,
        "name": name,
        "inbound_nodes": [],
    }


TENSOR = {
    "class_name": "__keras_tensor__",
    "config": {"shape": [None, 20, 3], "dtype": "float32", "keras_history": ["eeg", 0, 0]},
}
DESCRIPTION = {
    "module": "keras",
    "class_name": "Functional",
    "config": {
        "name": "functional",
        "layers": [
            layer("InputLayer", "eeg", batch_shape=[None, 20, 3]),
            {
                **layer("LSTM", "lstm", units=4, activation="tanh", stateful=False),
                "inbound_nodes": [{"args": [TENSOR], "kwargs": {"mask": None}}],
            },
            {
                **layer("GetItem", "last"),
                "module": "keras.src.ops.numpy",
                "config": {"name": "last"},
                "inbound_nodes": [
                    {
                        "args": [
                            TENSOR,
                            [
                                {"class_name": "__ellipsis__", "config": {}},
                                {
                                    "class_name": "__slice__",
                                    "config": {"start": 0, "stop": None, "step": 2},
                                },
                            ],
                        ],
                        "kwargs": {},
                    }
                ],
            },
            {
                **layer("TFOpLambda", "half", function="math.multiply"),
                "inbound_nodes": [["_CONSTANT_VALUE", -1, 0.5, {"y": ["eeg", 0, 0]}]],
            },
            layer("Operation", "mean", operation="mean", arguments={"axis": [1, 2]}),
            layer("CuDNNLSTM", "gpu", units=4),
            layer("Bidirectional", "both", layer=layer("LSTM", "inner", units=2)),
            layer("Dense", "dense", units=2, activation="softmax", kernel_regularizer=None),
        ],
        "input_layers": [["eeg", 0, 0]],
        "output_layers": [["dense", 0, 0]],
    },
    "registered_name": "Functional",
}
METADATA = {"keras_version": "3.10.0", "date_saved": "2026-01-01"}


# As Keras 3, TensorFlow 2.13 and Keras 2 on Windows name them.
GROUPS = ("lstm", "_layer_checkpoint_dependencies/lstm_2/cell/vars", "layers\\lstm\\vars")


def hdf5(**attributes: str) -> bytes:
    content = io.BytesIO()
    with h5py.File(content, "w", libver="latest") as file:  # the smallest
        root = file.create_group("model_weights")
        root.attrs["layer_names"] = [b"lstm"]
        for name, value in attributes.items():
            file.attrs[name] = value
        for group in GROUPS:
            for n, shape in enumerate([(3, 16), (4, 16), (32,)]):
                root.create_dataset(f"{group}/{n}", data=np.ones(shape, np.float32))
        root["lstm"].attrs["weight_names"] = [b"0", b"1", b"2"]
    return content.getvalue()


WEIGHTS = hdf5()


def archive(description: object, metadata: object = METADATA, weights: bytes = WEIGHTS) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("metadata.json", json.dumps(metadata))
        file.writestr("config.json", json.dumps(description))
        file.writestr("model.weights.h5", weights)
    return content.getvalue()


def legacy(description: object) -> bytes:
    # An attribute takes no more than 64 KiB and no NUL.
    return hdf5(model_config=json.dumps(description)[:60_000], keras_version="2.15.0")


MODELS = st.one_of(
    grafted(DESCRIPTION).map(archive),
    grafted(METADATA).map(lambda metadata: archive(DESCRIPTION, metadata)),
    grafted(DESCRIPTION).map(legacy),
    mutated(WEIGHTS).map(lambda weights: archive(DESCRIPTION, weights=weights)),
    mutated(archive(DESCRIPTION)),
    mutated(legacy(DESCRIPTION)),
    st.binary(max_size=100),
)


@FUZZ
@given(MODELS)
def test_model(
    count: Counter[str], tmp_path_factory: pytest.TempPathFactory, worker: Run, content: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "model.keras"
    path.write_bytes(content)
    outcome, text = worker("model", path)
    count[outcome] += 1
    assert outcome != "bug", text
