"""`daemon.encoders.loading`: what loads gives its writer's outputs, and nothing in a file runs."""

from __future__ import annotations

import hashlib
import json
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import h5py
import keras
import numpy as np
import pytest
import tf_keras
import yaml
from jobs import job

from daemon.contract import Contract
from daemon.encoders import engines
from daemon.encoders.architectures import channel_lstm, common_lstm
from daemon.encoders.loading import load, load_keras
from daemon.encoders.plan import plan
from daemon.errors import UsageError
from daemon.layout import PER_CHANNEL, STANDARD
from daemon.rehearsal.demo import BUNDLE

STEPS, CHANNELS, CLASSES = 20, 3, 4

pytestmark = [
    # Keras 3.15 asks a TensorFlow variable for its array in the way of NumPy 1 when it saves.
    pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword"),
    # tf_keras calls HDF5 old; so are the files that this program has to load.
    pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file:UserWarning"),
]


def contract(window: int = STEPS, channels: int = CHANNELS, classes: int = CLASSES) -> Contract:
    return Contract(
        sample_rate=160.0,
        window=window,
        channels=tuple(f"C{n}" for n in range(channels)),
        classes=tuple(f"class{n}" for n in range(classes)),
    )


def common(k: ModuleType) -> Any:
    """The Common LSTM as its users write it, in Keras 3 or 2."""
    return k.Sequential(
        [
            k.Input((STEPS, CHANNELS)),
            k.layers.LSTM(5, return_sequences=True),
            k.layers.Dropout(0.3),
            k.layers.LSTM(4, recurrent_dropout=0.1, kernel_regularizer="l2"),
            k.layers.Dense(CLASSES, activation="softmax"),
        ]
    )


def per_channel(k: ModuleType) -> Any:
    """The Channel LSTM + Common LSTM, in Keras 3 or 2."""
    eeg = [k.Input((STEPS, 1), name=f"eeg_{n}") for n in range(CHANNELS)]
    encoded = [k.layers.LSTM(1, return_sequences=True)(channel) for channel in eeg]
    merged = k.layers.LSTM(5)(k.layers.Concatenate()(encoded))
    return k.Model(eeg, k.layers.Dense(CLASSES, activation="softmax")(merged))


def functional(
    k: ModuleType, *layers: Any, shape: tuple[int | None, ...] = (STEPS, CHANNELS)
) -> Any:
    eeg = k.Input(shape)
    tensor = eeg
    for layer in layers:
        tensor = layer(tensor)
    return k.Model(eeg, tensor)


def randomised(model: Any) -> Any:
    """The model with weights that no initializer gives, so that unloaded ones show."""
    generator = np.random.default_rng(7)
    for weight in model.weights:
        weight.assign(0.1 + 0.3 * np.abs(generator.normal(size=weight.shape)))
    return model


def saved(model: Any, path: Path) -> Path:
    model.save(path)
    return path


def outputs(model: Any) -> np.ndarray:
    generator = np.random.default_rng(3)
    eeg = [generator.normal(size=(2, *i.shape[1:])).astype(np.float32) for i in model.inputs]
    result = np.asarray(model(eeg if len(eeg) > 1 else eeg[0]))
    assert len(result) == 2, "one array, not a list of one"
    return result


def refusal(path: Path) -> str:
    """The one line that says why a file does not load."""
    with pytest.raises(UsageError) as raised:
        load_keras(path)
    message = str(raised.value)
    assert str(path) in message
    assert "\n" not in message
    return message


def edited(path: Path, edit: Callable[[dict[str, Any]], object]) -> Path:
    """The model file with its JSON description edited in place."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
        config = json.loads(members["config.json"])
        edit(config)
        members["config.json"] = json.dumps(config).encode()
        return rezipped(path, members)
    with h5py.File(path, "r+") as file:
        config = json.loads(file.attrs["model_config"])
        edit(config)
        file.attrs["model_config"] = json.dumps(config)
    return path


def rezipped(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def members_of(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def layer_of(config: dict[str, Any], class_name: str) -> dict[str, Any]:
    return next(layer for layer in config["config"]["layers"] if layer["class_name"] == class_name)


KERAS = pytest.mark.parametrize("k", [keras, tf_keras], ids=["keras3", "keras2"])
SUFFIX = pytest.mark.parametrize("suffix", [".keras", ".h5"])


# What loads


@KERAS
@SUFFIX
@pytest.mark.parametrize("build", [common, per_channel])
def test_gives_the_outputs_of_its_writer(
    k: ModuleType, suffix: str, build: Callable[[ModuleType], Any], tmp_path: Path
) -> None:
    written = randomised(build(k))
    path = saved(written, tmp_path / f"model{suffix}")
    loaded = load(path, contract())
    assert np.abs(outputs(loaded.network.model) - outputs(written)).max() < 1e-6
    assert loaded.layout == (PER_CHANNEL if build is per_channel else STANDARD)
    assert loaded.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert loaded.path == path
    assert loaded.verdict is None
    lstm = [layer for layer in loaded.network.model.layers if isinstance(layer, keras.layers.LSTM)]
    assert lstm
    assert all(type(layer) is keras.layers.LSTM for layer in lstm)


@SUFFIX
@pytest.mark.parametrize("build", [common_lstm, channel_lstm])
def test_loads_our_own_architectures(
    suffix: str, build: Callable[..., keras.Model], tmp_path: Path
) -> None:
    units = {"units": (5, 4)}
    written = randomised(build(STEPS, CHANNELS, CLASSES, **units))
    loaded = load(saved(written, tmp_path / f"model{suffix}"), contract())
    assert np.abs(outputs(loaded.network.model) - outputs(written)).max() < 1e-6
    assert loaded.layout == (PER_CHANNEL if build is channel_lstm else STANDARD)


@KERAS
@SUFFIX
def test_loads_the_other_layers_of_an_eeg_model(k: ModuleType, suffix: str, tmp_path: Path) -> None:
    layers = k.layers
    inner = functional(k, layers.GRU(3, return_sequences=True), shape=(STEPS, 6))
    written = functional(
        k,
        layers.Bidirectional(layers.LSTM(3, return_sequences=True)),
        inner,
        layers.TimeDistributed(layers.Dense(4, activation="elu")),
        layers.Conv1D(4, 3, padding="causal"),
        layers.BatchNormalization(),
        layers.SpatialDropout1D(0.2),
        layers.Reshape((STEPS, 4, 1)),
        layers.DepthwiseConv2D((3, 1), depthwise_constraint="max_norm"),
        layers.SeparableConv2D(2, (3, 1)),
        layers.AveragePooling2D((2, 1)),
        layers.Flatten(),
        layers.LayerNormalization(),
        layers.LeakyReLU(),
        layers.Dense(CLASSES),
        layers.Activation("softmax"),
    )
    randomised(written)
    loaded = load_keras(saved(written, tmp_path / f"model{suffix}"))
    assert np.abs(outputs(loaded) - outputs(written)).max() < 1e-6


@KERAS
@SUFFIX
def test_loads_nested_models(k: ModuleType, suffix: str, tmp_path: Path) -> None:
    """Keras 2 and 3 count the calls of a nested model differently."""
    layers = k.layers
    first = functional(k, layers.LSTM(3, return_sequences=True))
    last = k.Sequential([k.Input((STEPS, 3)), layers.LSTM(3), layers.Dense(CLASSES)])
    twice = functional(k, layers.Dense(3))
    eeg = k.Input((STEPS, CHANNELS))
    merged = layers.Add()([twice(first(eeg)), twice(eeg)])
    for outer in (last(merged), functional(k, last, shape=(STEPS, 3))(merged)):
        written = randomised(k.Model(eeg, outer))
        loaded = load_keras(saved(written, tmp_path / f"model{suffix}"))
        assert np.abs(outputs(loaded) - outputs(written)).max() < 1e-6


@KERAS
@SUFFIX
def test_a_list_of_one_tensor_loads_as_the_tensor(
    k: ModuleType, suffix: str, tmp_path: Path
) -> None:
    eeg = [k.Input((STEPS, CHANNELS))]
    written = randomised(k.Model(eeg, [k.layers.LSTM(4)(eeg[0])]))
    loaded = load_keras(saved(written, tmp_path / f"model{suffix}"))
    eeg = np.ones((2, STEPS, CHANNELS), np.float32)
    difference = np.asarray(loaded(eeg)) - np.asarray(written([eeg])).reshape(2, 4)
    assert np.abs(difference).max() < 1e-6
    assert outputs(loaded).shape == (2, 4)


@KERAS
@SUFFIX
def test_loads_a_masked_model(k: ModuleType, suffix: str, tmp_path: Path) -> None:
    """Keras 3 writes the mask as operations, which are no layers."""
    written = randomised(functional(k, k.layers.Masking(0.0), k.layers.LSTM(4)))
    loaded = load_keras(saved(written, tmp_path / f"model{suffix}"))
    eeg = np.ones((1, STEPS, CHANNELS), np.float32)
    eeg[:, STEPS // 2 :] = 0.0
    assert np.abs(np.asarray(loaded(eeg)) - np.asarray(written(eeg))).max() < 1e-6


def test_loads_a_compiled_and_trained_model(tmp_path: Path) -> None:
    written = common(keras)
    written.compile("adam", "categorical_crossentropy")
    generator = np.random.default_rng(0)
    written.fit(generator.normal(size=(4, STEPS, CHANNELS)), np.eye(CLASSES), epochs=1, verbose=0)
    loaded = load_keras(saved(written, tmp_path / "model.keras"))
    assert np.abs(outputs(loaded) - outputs(written)).max() < 1e-6
    assert not loaded.compiled


def test_loads_hdf5_that_is_named_keras(tmp_path: Path) -> None:
    written = randomised(common(tf_keras))
    path = saved(written, tmp_path / "model.h5").rename(tmp_path / "model.keras")
    assert np.abs(outputs(load_keras(path)) - outputs(written)).max() < 1e-6


def test_loads_what_the_first_keras_2_wrote(tmp_path: Path) -> None:
    """A bare list of layers, the input's shape on the first of them, initializers with dtypes."""

    def older(config: dict[str, Any]) -> None:
        config["config"] = config["config"]["layers"][1:]
        config["config"][0]["config"]["batch_input_shape"] = [None, STEPS, CHANNELS]
        for layer in config["config"]:
            layer["config"].pop("dtype")
            if "kernel_initializer" in layer["config"]:
                layer["config"]["kernel_initializer"] = {
                    "class_name": "VarianceScaling",
                    "config": {"scale": 1.0, "mode": "fan_avg", "seed": None, "dtype": "float32"},
                }

    written = randomised(common(tf_keras))
    path = edited(saved(written, tmp_path / "model.h5"), older)
    assert np.abs(outputs(load_keras(path)) - outputs(written)).max() < 1e-6


# What must not run


class Custom(keras.layers.Layer):
    def call(self, inputs: Any) -> Any:
        return inputs * 2.0


@keras.saving.register_keras_serializable("mine")
class Registered(Custom):
    pass


@keras.saving.register_keras_serializable("mine", name="LSTM")
class Impostor(keras.layers.LSTM):
    pass


# Python's lambdas keep neither defaults nor globals in a model file, so this one finds the place
# for its trace in the environment.
HOSTILE = lambda x: (  # noqa: E731 - Keras stores the code of lambdas only
    __import__("pathlib").Path(__import__("os").environ["EEGD_TEST_TRACE"]).touch(),
    x,
)[1]


@pytest.fixture
def trace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file that the hostile lambda makes when it runs."""
    path = tmp_path / "trace"
    monkeypatch.setenv("EEGD_TEST_TRACE", str(path))
    return path


NESTINGS: dict[str, Callable[[ModuleType, Any], Any]] = {
    "plain": lambda k, bad: bad,
    "TimeDistributed": lambda k, bad: k.layers.TimeDistributed(bad),
    "Sequential": lambda k, bad: k.Sequential([k.Input((STEPS, CHANNELS)), bad]),
    "Functional": lambda k, bad: functional(k, k.layers.Dense(CHANNELS), bad),
}


# The writers say, rightly, that a lambda should not be saved.
@pytest.mark.filterwarnings("ignore:The object being serialized includes a `lambda`")
@KERAS
@SUFFIX
@pytest.mark.parametrize("nesting", NESTINGS)
def test_a_lambda_is_refused_and_does_not_run(
    k: ModuleType, suffix: str, nesting: str, trace: Path, tmp_path: Path
) -> None:
    bad = NESTINGS[nesting](k, k.layers.Lambda(HOSTILE, name="bad"))
    path = saved(functional(k, bad), tmp_path / f"model{suffix}")
    trace.unlink()
    message = refusal(path)
    assert "'bad' of class 'Lambda'" in message
    assert "keras layers only" in message
    assert not trace.exists()


@SUFFIX
def test_keras_itself_runs_the_lambda_of_these_tests(
    suffix: str, trace: Path, tmp_path: Path
) -> None:
    model = functional(keras, keras.layers.Lambda(HOSTILE))
    path = saved(model, tmp_path / f"model{suffix}")
    trace.unlink()
    keras.saving.load_model(path, safe_mode=False)
    assert trace.exists()


# A layer of one's own may be saved without being registered; Keras 3 only warns.
@pytest.mark.parametrize("suffix", [".keras", ".h5"])
@pytest.mark.parametrize("layer", [Custom, Registered])
def test_a_layer_of_ones_own_is_refused(
    layer: type[keras.layers.Layer], suffix: str, tmp_path: Path
) -> None:
    path = saved(functional(keras, layer(name="own")), tmp_path / f"model{suffix}")
    message = refusal(path)
    assert "'own'" in message
    assert layer.__name__ in message


@SUFFIX
def test_a_registered_layer_with_the_name_of_keras_own_is_refused(
    suffix: str, tmp_path: Path
) -> None:
    path = saved(functional(keras, Impostor(4, name="own")), tmp_path / f"model{suffix}")
    assert "'own'" in refusal(path)


def _set(layer: str, key: str, value: object) -> Callable[[dict[str, Any]], None]:
    return lambda config: layer_of(config, layer)["config"].update({key: value})


def _mark(layer: str, **changes: object) -> Callable[[dict[str, Any]], None]:
    return lambda config: layer_of(config, layer).update(changes)


_CODE = {"class_name": "__lambda__", "config": {"value": "4wEAAAA="}}
_GET_FILE = {
    "module": "keras.utils",
    "class_name": "function",
    "config": "get_file",
    "registered_name": "get_file",
}

_LAMBDA = {"class_name": "Lambda", "config": {"function": ["4wEAAAA=", None, None]}}

TAMPERED: dict[str, Callable[[dict[str, Any]], object]] = {
    "lambda as activation": _set("Dense", "activation", _CODE),
    "function as activation": _set("Dense", "activation", _GET_FILE),
    "name of a function that is no activation": _set("Dense", "activation", "deserialize"),
    "lambda in a setting": _set("Dense", "name", _CODE),
    "lambda deep in a setting": _set("LSTM", "seed", [{"a": [_CODE]}]),
    "lambda in a wrapper": lambda config: layer_of(config, "LSTM").update(
        {"class_name": "Bidirectional", "config": {"layer": _LAMBDA}}
    ),
    "lambda in the second half of a wrapper": _set("LSTM", "backward_layer", _LAMBDA),
    "lambda as a cell": _set("LSTM", "cell", _LAMBDA),
    "lambda among cells": _set("LSTM", "cells", [_LAMBDA]),
    "layer class with a path": _mark("LSTM", class_name="keras.layers.Lambda"),
    "layer class that runs a model": _mark("LSTM", class_name="TFSMLayer"),
    "layer class that runs Torch": _mark("LSTM", class_name="TorchModuleWrapper"),
    "layer class that reads a file": _mark("LSTM", class_name="StringLookup"),
    "module outside Keras": _mark("LSTM", module="os"),
    "module that only begins like Keras": _mark("LSTM", module="keras_evil.layers"),
    "no module": _mark("LSTM", module=None),
    "registered name": _mark("LSTM", registered_name="mine>LSTM"),
    "operation of the same name": _mark("Dense", class_name="Add", module="keras.src.ops.numpy"),
    "quantized": _set("Dense", "quantization_config", {"class_name": "Int8", "config": {}}),
    "dtype object": _set("Dense", "dtype", {"class_name": "DTypePolicyMap", "config": {}}),
    "dtype string": _set("Dense", "dtype", "int8_from_float32"),
    "lambda in a call": _mark("LSTM", inbound_nodes=[{"args": [_CODE], "kwargs": {}}]),
    "lambda in a tensor": _mark(
        "LSTM",
        inbound_nodes=[
            {"args": [{"class_name": "__keras_tensor__", "config": {"shape": _CODE}}], "kwargs": {}}
        ],
    ),
    "array in a call": _mark(
        "LSTM", inbound_nodes=[{"args": [{"class_name": "__numpy__", "config": {}}], "kwargs": {}}]
    ),
    "a model class of one's own": lambda config: config.update({"class_name": "Mine"}),
    "no layers": lambda config: config.update({"config": {}}),
    "not a description": lambda config: config.clear(),
    "named inputs": lambda config: config["config"].update({"input_layers": {"a": ["x", 0, 0]}}),
}


@SUFFIX
@pytest.mark.parametrize("change", TAMPERED)
def test_a_tampered_description_never_reaches_keras(
    change: str, suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = functional(keras, keras.layers.LSTM(4), keras.layers.Dense(CLASSES))
    path = edited(saved(written, tmp_path / f"model{suffix}"), TAMPERED[change])
    monkeypatch.setattr(keras.saving, "deserialize_keras_object", None)
    assert "Keras cannot build it" not in refusal(path)


@SUFFIX
@pytest.mark.parametrize(
    "change",
    [
        _set("LSTM", "kernel_initializer", _CODE),
        _set("LSTM", "kernel_constraint", _CODE),
        _set("LSTM", "activity_regularizer", _GET_FILE),
        _mark("LSTM", build_config={"input_shape": _CODE}),
        _mark("LSTM", compile_config=_CODE),
        lambda config: config.update({"compile_config": _CODE}),
    ],
)
def test_what_only_training_needs_is_left_out(
    change: Callable[[dict[str, Any]], object], suffix: str, tmp_path: Path
) -> None:
    written = randomised(functional(keras, keras.layers.LSTM(4), keras.layers.Dense(CLASSES)))
    path = edited(saved(written, tmp_path / f"model{suffix}"), change)
    assert np.abs(outputs(load_keras(path)) - outputs(written)).max() < 1e-6


def test_a_message_about_a_hostile_name_stays_one_line(tmp_path: Path) -> None:
    evil = "a\n\x1b[2Jeegd: all is well" * 20
    path = saved(functional(keras, keras.layers.LSTM(4)), tmp_path / "model.keras")
    message = refusal(edited(path, _mark("LSTM", name=evil, class_name=evil)))
    assert message.isprintable()
    assert len(message) < 400


# HDF5 that reaches out of its file


def _external_link(file: h5py.File, weight: str) -> None:
    del file[weight]
    file[weight] = h5py.ExternalLink("secret.h5", "/secret")


def _soft_link(file: h5py.File, weight: str) -> None:
    del file[weight]
    file[weight] = h5py.SoftLink("/elsewhere")


def _external_data(file: h5py.File, weight: str) -> None:
    shape = file[weight].shape
    del file[weight]
    file.create_dataset(weight, shape, "f4", external=[("secret.bin", 0, h5py.h5f.UNLIMITED)])


def _virtual(file: h5py.File, weight: str) -> None:
    shape = file[weight].shape
    del file[weight]
    layout = h5py.VirtualLayout(shape, "f4")
    layout[...] = h5py.VirtualSource("secret.h5", "secret", shape)
    file.create_virtual_dataset(weight, layout)


def _bomb(file: h5py.File, weight: str) -> None:
    del file[weight]
    file.create_dataset(weight, (2**20, 2**20), "f4", chunks=(64, 64), fillvalue=1.0)


def _filtered(file: h5py.File, weight: str) -> None:
    """A filter that adds to the array, where compression would also make it too small."""
    shape = file[weight].shape
    del file[weight]
    file.create_dataset(weight, data=np.zeros(shape, "f4"), chunks=shape, fletcher32=True)


def _objects(file: h5py.File, weight: str) -> None:
    del file[weight]
    file.create_dataset(weight, data=[b"a", b"bc"], dtype=h5py.string_dtype())


@SUFFIX
@pytest.mark.parametrize(
    "change",
    [_external_link, _soft_link, _external_data, _virtual, _bomb, _filtered, _objects],
)
def test_weights_that_are_not_plain_arrays_in_the_file_are_refused(
    change: Callable[[h5py.File, str], None], suffix: str, tmp_path: Path
) -> None:
    path = saved(functional(keras, keras.layers.LSTM(4)), tmp_path / f"model{suffix}")
    members = members_of(path) if suffix == ".keras" else {}
    weights = tmp_path / "weights.h5" if members else path
    if members:
        weights.write_bytes(members["model.weights.h5"])
    with h5py.File(weights, "r+") as file:
        names: list[str] = []
        file.visititems(lambda n, kind: names.append(n) if isinstance(kind, h5py.Dataset) else None)
        change(file, names[0])
    if members:
        rezipped(path, {**members, "model.weights.h5": weights.read_bytes()})
    message = refusal(path)
    assert "HDF5 part has" in message
    assert names[0][:20] in message


# Archives that are not what they seem


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    return saved(functional(keras, keras.layers.LSTM(4)), tmp_path / "model.keras")


@pytest.mark.parametrize("name", ["config.json", "metadata.json", "model.weights.h5"])
def test_an_archive_without_a_member_is_refused(name: str, archive: Path) -> None:
    members = members_of(archive)
    del members[name]
    assert f"no {name}" in refusal(rezipped(archive, members))


def test_a_member_whose_name_is_no_text_is_refused(archive: Path) -> None:
    content = archive.read_bytes()
    at = content.index(b"config.json")  # in the member's own header, not in the directory
    header = bytearray(content[at - 30 : at + 11])
    header[6:8] = (0x800).to_bytes(2, "little")  # the name is UTF-8, it says
    header[-11] = 0xA8
    archive.write_bytes(content[: at - 30] + header + content[at + 11 :])
    assert "cannot be unpacked" in refusal(archive)


def test_other_members_are_never_read(archive: Path, tmp_path: Path) -> None:
    escape = f"../{tmp_path.name}/escaped"
    extra = {"assets/x": b"x", escape: b"x", str(tmp_path / "absolute"): b"x"}
    load_keras(rezipped(archive, {**members_of(archive), **extra}))
    assert list(tmp_path.iterdir()) == [archive]


def test_a_description_of_absurd_size_is_refused(archive: Path) -> None:
    members = members_of(archive)
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in members.items():
            packed.writestr(name, content + b" " * (2**24 if name == "config.json" else 0))
    assert "larger than 16 MiB" in refusal(archive)


def test_weights_of_absurd_size_are_refused(archive: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("daemon.encoders.container.MAX_FILE", 2**21)
    members = members_of(archive)
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in members.items():
            packed.writestr(name, content + bytes(2**22 if name.endswith(".h5") else 0))
    assert archive.stat().st_size < 2**21
    assert "larger than" in refusal(archive)


@pytest.mark.parametrize("description", [b"[" * 100_000, b"{", b"\xff\xfe", b"null", b"[]"])
def test_a_description_that_is_none_is_refused(description: bytes, archive: Path) -> None:
    members = {**members_of(archive), "config.json": description}
    assert "description" in refusal(rezipped(archive, members))


# Damaged and wrong files


@SUFFIX
@pytest.mark.parametrize("kept", [0, 3, 100, 0.5, 0.98])
def test_a_truncated_file_is_refused(kept: float, suffix: str, tmp_path: Path) -> None:
    path = saved(common(keras), tmp_path / f"model{suffix}")
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content)) if kept < 1 else int(kept)])
    assert "save it again" in refusal(path)


@SUFFIX
def test_damage_anywhere_is_refused_or_harmless(suffix: str, tmp_path: Path) -> None:
    """No byte of a file makes anything but a `UsageError`."""
    path = saved(functional(keras, keras.layers.LSTM(2)), tmp_path / f"model{suffix}")
    content = path.read_bytes()
    generator = np.random.default_rng(11)
    for start in generator.integers(0, len(content) - 16, 15):
        damaged = bytearray(content)
        damaged[start : start + 16] = generator.bytes(16)
        path.write_bytes(damaged)
        try:
            load_keras(path)
        except UsageError as error:
            assert str(error).isprintable()  # noqa: PT017 - most damage is in unused bytes


def test_missing_wrong_suffix_and_folder(tmp_path: Path) -> None:
    assert "does not exist" in refusal(tmp_path / "model.keras")
    assert "does not exist" in refusal(tmp_path / "model.bundle")
    other = tmp_path / "model.pt"
    other.touch()
    assert ".keras, .h5, .hdf5" in refusal(other)
    folder = tmp_path / "folder.keras"
    folder.mkdir()
    assert "is not a file" in refusal(folder)


def test_weights_alone_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.weights.h5"
    functional(keras, keras.layers.LSTM(4)).save_weights(path)
    assert "perhaps only weights" in refusal(path)


@SUFFIX
def test_weights_of_another_model_are_refused(suffix: str, tmp_path: Path) -> None:
    path = saved(common(keras), tmp_path / f"model{suffix}")
    message = refusal(edited(path, _set("Dense", "units", CLASSES + 1)))
    assert "its weights do not fit its layers" in message
    assert str(CLASSES + 1) in message


@SUFFIX
def test_a_weight_that_is_not_finite_is_refused(suffix: str, tmp_path: Path) -> None:
    written = common(keras)
    written.weights[0].assign(np.full(written.weights[0].shape, np.nan))
    assert "lstm" in refusal(saved(written, tmp_path / f"model{suffix}"))


# Keras of other versions


# What Keras 3.13, 3.14 and 3.15 write beside what 3.12 knows, as it stands in nearly every file.
NEWER = {
    "Dense": {"quantization_config": None},
    "BatchNormalization": {"renorm": False, "renorm_clipping": None, "renorm_momentum": 0.99},
    "MultiHeadAttention": {"use_gate": False, "sliding_window": None},
}
OLDER = {
    "Dense": {},
    "BatchNormalization": {"renorm_clipping": {"rmax": 3.0}, "synchronized": True},
    "MultiHeadAttention": {"softmax_robust_masking": False, "dynamic": False},
}


def with_attention(k: ModuleType) -> Any:
    eeg = k.Input((STEPS, CHANNELS))
    attended = k.layers.MultiHeadAttention(2, 4, name="attention")(eeg, eeg)
    pooled = k.layers.GlobalAveragePooling1D()(k.layers.BatchNormalization()(attended))
    return k.Model(eeg, k.layers.Dense(CLASSES, activation="softmax")(pooled))


@SUFFIX
@pytest.mark.parametrize("version", ["3.12.4", "3.15.1"])
@pytest.mark.parametrize("settings", [NEWER, OLDER], ids=["newer", "older"])
def test_settings_of_another_version_that_change_nothing_are_left_out(
    settings: dict[str, dict[str, object]],
    version: str,
    suffix: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("daemon.encoders.inspection.KERAS", version)
    written = randomised(with_attention(keras))
    path = saved(written, tmp_path / f"model{suffix}")
    for layer, changes in settings.items():
        for key, value in changes.items():
            edited(path, _set(layer, key, value))
    assert np.abs(outputs(load_keras(path)) - outputs(written)).max() < 1e-6


@SUFFIX
@pytest.mark.parametrize(
    ("layer", "key", "value", "knows"),
    [
        ("MultiHeadAttention", "use_gate", True, "Keras 3.14, of Python 3.11 on, knows"),
        ("MultiHeadAttention", "sliding_window", 5, "Keras 3.15, of Python 3.11 on, knows"),
        ("BatchNormalization", "renorm", True, "Keras 3.14, of Python 3.11 on, knows"),
        ("MultiHeadAttention", "softmax_robust_masking", True, "an older Keras knows"),
    ],
)
def test_a_setting_that_counts_is_refused_where_keras_does_not_know_it(
    layer: str,
    key: str,
    value: object,
    knows: str,
    suffix: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("daemon.encoders.inspection.KERAS", "3.12.4")
    path = saved(with_attention(keras), tmp_path / f"model{suffix}")
    message = refusal(edited(path, _set(layer, key, value)))
    assert f"of class {layer!r}" in message
    assert f"has a {key} other than usual, which {knows} and Keras 3.12.4 here does not" in message


def test_the_bundle_that_comes_with_eegd_loads() -> None:
    assert load(BUNDLE, None).contract.window == 15360


@SUFFIX
def test_a_setting_that_keras_does_not_know_is_refused(suffix: str, tmp_path: Path) -> None:
    path = saved(common(keras), tmp_path / f"model{suffix}")
    message = refusal(edited(path, _set("LSTM", "peephole", True)))
    assert "Keras cannot build it" in message
    assert "peephole" in message


# Meaning that Keras 3 does not share


@SUFFIX
def test_time_major_is_refused(suffix: str, tmp_path: Path) -> None:
    path = saved(common(tf_keras), tmp_path / f"model{suffix}")
    message = refusal(edited(path, _set("LSTM", "time_major", True)))
    assert "swaps its time and batch axes" in message


@KERAS
@SUFFIX
@pytest.mark.parametrize("kind", ["LSTM", "GRU"])
def test_hard_sigmoid_is_that_of_its_writer(
    k: ModuleType, suffix: str, kind: str, tmp_path: Path
) -> None:
    """0.2 x + 0.5 between 0 and 1 in Keras 2, x / 6 + 0.5 in Keras 3; a bundle keeps it."""
    layers = k.layers
    recurrent = getattr(layers, kind)(4, recurrent_activation="hard_sigmoid")
    head = layers.Dense(CLASSES, activation="hard_sigmoid")
    written = randomised(functional(k, recurrent, head))
    loaded = load_keras(saved(written, tmp_path / f"model{suffix}"))
    assert np.abs(outputs(loaded) - outputs(written)).max() < 1e-6
    again = load_keras(saved(loaded, tmp_path / "again.keras"))
    assert np.abs(outputs(again) - outputs(written)).max() < 1e-6


def test_an_lstm_of_keras_2_with_hard_sigmoid_streams(tmp_path: Path) -> None:
    layers = tf_keras.layers
    recurrent = layers.LSTM(4, recurrent_activation="hard_sigmoid")
    head = layers.Dense(CLASSES, activation="softmax")
    written = randomised(functional(tf_keras, recurrent, head))
    loaded = load_keras(saved(written, tmp_path / "model.h5"))
    samples = np.random.default_rng(0).normal(size=(1, STEPS, CHANNELS)).astype(np.float32)
    for kind in ("streaming", "window"):
        planned = plan(job(loaded, STEPS, 5), kind, "cpu")
        engine, _ = engines.build(planned)
        assert planned.stack is not None
        answer = engine.feed(samples[0], True)
        np.testing.assert_allclose(answer, written(samples)[0], atol=1e-6)


@KERAS
@SUFFIX
def test_what_was_built_to_train_for_ever_runs_as_predict_runs_it(
    k: ModuleType, suffix: str, tmp_path: Path
) -> None:
    eeg = k.Input((STEPS, CHANNELS))
    normal = k.layers.BatchNormalization(name="own")(eeg, training=True)
    written = randomised(k.Model(eeg, k.layers.LSTM(4)(normal)))
    path = saved(written, tmp_path / f"model{suffix}")
    if k is keras:
        samples = np.random.default_rng(0).normal(size=(2, STEPS, CHANNELS)).astype(np.float32)
        expected = written.predict(samples, verbose=0)
        np.testing.assert_allclose(load_keras(path).predict(samples, verbose=0), expected)
    else:
        message = refusal(path)
        assert "'own'" in message
        assert "training=True" in message


@KERAS
@SUFFIX
def test_stateful_is_refused(k: ModuleType, suffix: str, tmp_path: Path) -> None:
    eeg = k.Input(batch_shape=(1, STEPS, CHANNELS))
    inner = k.layers.LSTM(4, stateful=True, name="keeps")
    path = saved(k.Model(eeg, k.layers.Bidirectional(inner)(eeg)), tmp_path / f"model{suffix}")
    message = refusal(path)
    assert "keeps'" in message
    assert "stateful=False" in message


# The fit to the contract


def model_for(
    *shapes: tuple[int | None, ...],
    outputs: int = CLASSES,
    dtype: str = "float32",
    batch: Any = None,
) -> keras.Model:
    eeg = [keras.Input(batch_shape=(batch, *shape), dtype=dtype) for shape in shapes]
    flat = [keras.layers.GlobalAveragePooling1D()(i) if i.ndim == 3 else i for i in eeg]
    merged = keras.layers.Concatenate()(flat) if len(flat) > 1 else flat[0]
    return keras.Model(eeg if len(eeg) > 1 else eeg[0], keras.layers.Dense(outputs)(merged))


def test_swapped_axes_are_explained(tmp_path: Path) -> None:
    path = saved(model_for((CHANNELS, STEPS)), tmp_path / "model.keras")
    with pytest.raises(UsageError) as raised:
        load(path, contract())
    message = str(raised.value)
    assert "1 input (None, 3, 20), which swaps the axes" in message
    assert "the 3 channels for 3 time steps of 20 features" in message
    assert "input_shape=(20, 3) and retrain" in message


# Bundles


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    folder = tmp_path / "bundle"
    folder.mkdir()
    saved(model_for((STEPS, CHANNELS)), folder / "model.keras")
    written = contract().model_dump(mode="json")
    (folder / "contract.yaml").write_text(yaml.safe_dump(written))
    return folder


def test_a_bundle_carries_its_contract(bundle: Path) -> None:
    loaded = load(bundle, None)
    assert loaded.contract == contract()
    assert loaded.path == bundle / "model.keras"
    assert loaded.verdict is None


def test_a_bundle_carries_its_verdict(bundle: Path) -> None:
    (bundle / "report.json").write_text(json.dumps({"verdict": "better than chance"}))
    assert load(bundle, None).verdict == "better than chance"
    (bundle / "report.json").write_text(json.dumps({"accuracy": 0.5}))
    assert load(bundle, None).verdict is None
    (bundle / "report.json").write_text("{")
    with pytest.raises(UsageError, match=r"report\.json is not JSON"):
        load(bundle, None)


def test_a_bundle_may_hold_hdf5(bundle: Path) -> None:
    (bundle / "model.keras").unlink()
    path = saved(model_for((STEPS, CHANNELS)), bundle / "model.h5")
    assert load(bundle, None).path == path


def test_two_contracts_and_none(bundle: Path) -> None:
    with pytest.raises(UsageError, match=r"remove model\.contract from config\.yaml"):
        load(bundle, contract())
    with pytest.raises(UsageError, match=r"write it under model\.contract in config\.yaml"):
        load(bundle / "model.keras", None)
    (bundle / "contract.yaml").unlink()
    with pytest.raises(UsageError, match=r"contract\.yaml does not exist"):
        load(bundle, None)


def test_a_bundle_has_one_model(bundle: Path) -> None:
    (bundle / "model.h5").touch()
    with pytest.raises(
        UsageError,
        match=r"needs one of model.keras, model.h5, model.onnx and has model.keras, model.h5",
    ):
        load(bundle, None)
    (bundle / "model.h5").unlink()
    (bundle / "model.keras").unlink()
    with pytest.raises(UsageError, match=r"model\.h5, model\.onnx and has none"):
        load(bundle, None)
    (bundle / "saved_model.pb").touch()
    with pytest.raises(UsageError, match=r"variables\.index is missing"):
        load(bundle, None)


def test_a_bad_contract_names_the_file_and_the_key(bundle: Path) -> None:
    (bundle / "contract.yaml").write_text("sample_rate: 160.0\n")
    with pytest.raises(UsageError, match=r"contract\.yaml: window"):
        load(bundle, None)


def test_a_misfit_names_the_file(bundle: Path) -> None:
    path = bundle / "model.keras"
    with pytest.raises(UsageError, match=re.escape(f"model {path}: the model takes 1 input")):
        load(path, contract(channels=CHANNELS + 1))


def test_a_missing_model_needs_no_contract(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="does not exist"):
        load(tmp_path / "nothing.keras", None)
