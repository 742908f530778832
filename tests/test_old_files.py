"""Files of Keras 2 that no Keras here writes: on Windows, by TensorFlow 2.13, for cuDNN."""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import tf_keras
from tf_keras.src.saving.legacy.hdf5_format import _convert_rnn_weights

from daemon.encoders.loading import load_keras

pytestmark = [
    pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file:UserWarning"),
]

STEPS, CHANNELS = 20, 3
L = tf_keras.layers


def stack(kind: str = "LSTM", **settings: Any) -> Any:
    recurrent = getattr(L, kind)
    model = tf_keras.Sequential(
        [
            tf_keras.Input((STEPS, CHANNELS)),
            recurrent(5, return_sequences=True, **settings),
            L.Bidirectional(recurrent(4, **settings)),
            L.Dense(6),
            L.Dense(4, activation="softmax"),
        ]
    )
    generator = np.random.default_rng(7)
    model.set_weights([generator.normal(size=w.shape) / 3 for w in model.get_weights()])
    return model


def require_same(path: Path, written: Any) -> None:
    samples = np.random.default_rng(3).normal(size=(2, STEPS, CHANNELS)).astype(np.float32)
    loaded = load_keras(path)
    np.testing.assert_allclose(loaded(samples), written(samples), rtol=0, atol=1e-6)


def on_windows(name: str) -> str:
    """All but what h5py itself joined: the group of a layer's variables."""
    path, end = re.fullmatch(r"(.*?)(/vars.*)?", name).groups()  # type: ignore[union-attr]
    return path.replace("/", "\\") + (end or "")


def counted_twice(name: str) -> str:
    """Every layer of a class counted twice, in the group that Keras of then had."""
    top, _, rest = name.partition("/")
    if top != "layers" or not rest:
        return name.replace("layers", "_layer_checkpoint_dependencies", 1)
    layer, *inner = rest.split("/")
    kind, _, number = layer.rpartition("_")
    layer = f"{kind}_{2 * int(number)}" if number.isdecimal() else layer
    return "/".join(["_layer_checkpoint_dependencies", layer, *inner])


@pytest.mark.parametrize(
    "renamed",
    [on_windows, counted_twice, lambda name: on_windows(counted_twice(name))],
    ids=["windows", "2.13", "2.13 on windows"],
)
def test_an_archive_with_other_names(renamed: Callable[[str], str], tmp_path: Path) -> None:
    written = stack()
    path = tmp_path / "model.keras"
    written.save(path)
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    content = io.BytesIO()
    with (
        h5py.File(io.BytesIO(members["model.weights.h5"])) as old,
        h5py.File(content, "w") as new,
    ):
        names: list[str] = []
        old.visit(names.append)
        assert "layers/dense_1/vars/0" in names
        for name in names:
            if isinstance(old[name], h5py.Dataset):
                new[renamed(name)] = old[name][()]
            else:
                new.require_group(renamed(name))
    members["model.weights.h5"] = content.getvalue()
    with zipfile.ZipFile(path, "w") as archive:
        for name, member in members.items():
            archive.writestr(name, member)
    require_same(path, written)


@pytest.mark.parametrize("kind", ["LSTM", "GRU"])
def test_layers_for_cudnn(kind: str, tmp_path: Path) -> None:
    """Keras 2 converts in this direction too, which makes the file."""
    written = stack(kind)
    path = tmp_path / "model.h5"
    written.save(path)
    target = type(f"CuDNN{kind}", (), {"units": None})()

    def renamed(layer: dict[str, Any]) -> None:
        if layer["class_name"] == kind:
            layer["class_name"] = f"CuDNN{kind}"
            for key in ("activation", "recurrent_activation", "unroll", "use_bias", "reset_after"):
                layer["config"].pop(key, None)
        for key in ("layer", "backward_layer"):
            if key in layer["config"]:
                renamed(layer["config"][key])

    with h5py.File(path, "r+") as file:
        config = json.loads(file.attrs["model_config"])
        for layer in config["config"]["layers"]:
            renamed(layer)
        file.attrs["model_config"] = json.dumps(config)
        for group in file["model_weights"].values():
            names = list(group.attrs["weight_names"])
            if len(names) % 3:
                continue
            for n in range(0, len(names), 3):
                triple = names[n : n + 3]
                weights = [group[name][()] for name in triple]
                target.units = len(weights[1])
                for name, weight in zip(triple, _convert_rnn_weights(target, weights), strict=True):
                    del group[name]
                    group[name] = weight
    require_same(path, written)
