"""A Keras model file, loaded without running anything it holds and fitted to its contract.

A model comes as a bundle, a folder with ``model.keras`` (or ``model.h5``) and its
``contract.yaml``, or as a bare file whose contract stands in the config. Files of Keras 3 and of
Keras 2 both load, as plain Keras 3 layers. Keras itself builds only what
`daemon.encoders.inspection` has rebuilt from known parts.
"""

from __future__ import annotations

import json
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import keras

from daemon.contract import Contract, read_contract
from daemon.encoders import additions, bundle, container, cores, saved_model  # noqa: F401
from daemon.encoders.description import Entry, Refused
from daemon.encoders.fuse import may_fuse
from daemon.errors import UsageError
from daemon.text import clean
from daemon.validation import limited_text

_BUNDLED = ("model.keras", "model.h5")

# A line for every recording and every epoch of every fold.
MAX_REPORT = 16 << 20

Shape = tuple["int | None", ...]


@dataclass(frozen=True)
class LoadedModel:
    """A model that fits its contract.

    Attributes
    ----------
    model : keras.Model
        Takes one array, or a list of arrays where there are several inputs. Gives one array,
        (batch, classes), or (batch, 1) for two classes.
    contract : Contract
    per_channel : bool
        True: one input (batch, window, 1) for each channel, in the contract's order.
        False: one input (batch, window, channels).
    sha256 : str
        Of the model file, in hexadecimal digits.
    verdict : str or None
        What the training's evaluation came to, from the bundle's ``report.json``.
    path : Path
        The model file.
    bundle_sha256 : str or None
        Content hash of the bundle, see `daemon.encoders.bundle`; None for one without a manifest.
    """

    model: keras.Model
    contract: Contract
    per_channel: bool
    sha256: str
    verdict: str | None
    path: Path
    bundle_sha256: str | None


def load(path: Path, contract: Contract | None) -> LoadedModel:
    """A bundle folder, or a bare ``.keras``, ``.h5`` or ``.hdf5`` file with its contract.

    Raises
    ------
    UsageError
        The file is missing, damaged, holds more than Keras's own layers, or contradicts the
        contract; the bundle is not what it was when it was written; or there are two contracts,
        or none. One line that says what to do.
    """
    if not is_bundle(path):
        _require_model_file(path)
        # A SavedModel is a folder, but has no contract of its own.
        file = path / "saved_model.pb" if path.is_dir() else path
        return _fitted(path, read_contract(file, contract), verdict=None, bundle_sha256=None)
    sha256 = bundle.verified(path)
    file = _bundled_model(path)
    return _fitted(file, read_contract(path, contract), _verdict(path / "report.json"), sha256)


def is_bundle(path: Path) -> bool:
    """Whether ``path`` is a folder that has a contract, or should."""
    return path.is_dir() and ((path / bundle.CONTRACT).exists() or not saved_model.is_one(path))


def load_keras(
    path: Path,
    *,
    architecture: Path | None = None,
    replaced: Mapping[str, Entry] | None = None,
) -> keras.Model:
    """The model in a ``.keras``, ``.h5`` or ``.hdf5`` file or SavedModel of Keras 2 or 3.

    It is not compiled. Its layers are Keras's own classes and `daemon.encoders.additions`.
    Initializers, regularizers and constraints are left out.

    Parameters
    ----------
    path : Path
    architecture, replaced
        See `daemon.encoders.container.opened`.

    Raises
    ------
    UsageError
        The file is missing, damaged, or holds more than Keras's own layers. One line.
    """
    return _load(path, architecture, replaced)[0]


def check_fit(model: keras.Model, contract: Contract) -> bool:
    """Whether the model takes one input for each channel, if it fits the contract at all.

    Returns
    -------
    bool
        True: as many inputs (batch, window, 1) as there are channels.
        False: one input (batch, window, channels).

    Raises
    ------
    UsageError
        Inputs or outputs contradict the contract; says what both sides say.
    """
    if not model.built or not getattr(model, "inputs", None):
        raise UsageError(
            "the model has no fixed input shape: give it a keras.Input((steps, channels)) and "
            "save it again"
        )
    steps, channels = contract.window, len(contract.channels)
    inputs = [tuple(tensor.shape) for tensor in model.inputs]
    per_channel = len(inputs) > 1
    expected = (steps, 1) if per_channel else (steps, channels)
    if len(inputs) != (channels if per_channel else 1) or not all(
        _fits(shape, expected) for shape in inputs
    ):
        raise UsageError(_misfit(inputs, steps, channels))
    if any(shape[0] not in (None, 1) for shape in inputs):
        raise UsageError(
            f"the model's batch size is fixed to {inputs[0][0]}, but windows come one at a time: "
            f"build it without batch_size (or batch_shape) and save it again"
        )
    for tensor in model.inputs:
        if not keras.backend.is_float_dtype(tensor.dtype):
            raise UsageError(
                f"the model's input {tensor.name!r} takes {tensor.dtype}, EEG is float32: build "
                f"it with keras.Input(…, dtype='float32')"
            )
    _check_outputs([tuple(tensor.shape) for tensor in model.outputs], contract)
    if model.outputs[0].shape[-1] == 1:
        _require_sigmoid(model)
    return per_channel


def _check_outputs(outputs: Sequence[Shape], contract: Contract) -> None:
    classes = len(contract.classes)
    accepted = [(classes,), (1,)] if classes == 2 else [(classes,)]
    if len(outputs) != 1 or outputs[0][1:] not in accepted:
        raise UsageError(
            f"the model gives {_shapes(outputs, 'output')}; the contract says {classes} classes "
            f"({', '.join(contract.classes)}), so one output (None, {classes})"
        )


def _require_sigmoid(model: keras.Model) -> None:
    """Refuse one output that says it is a logit, or anything else than a probability."""
    last = model
    while isinstance(last, keras.Model):
        last = last.outputs[0]._keras_history.operation
    activation = getattr(getattr(last, "activation", None), "__name__", "sigmoid")
    if activation not in ("sigmoid", "hard_sigmoid"):
        raise UsageError(
            f"the model's one output is {activation}, no probability: add "
            "keras.layers.Activation('sigmoid') after it where it is trained with "
            "from_logits=True, and save it again"
        )


def _misfit(inputs: Sequence[Shape], steps: int, channels: int) -> str:
    takes = f"the model takes {_shapes(inputs, 'input')}"
    if len(set(inputs)) == 1 and len(inputs) in (1, channels):
        width = channels if len(inputs) == 1 else 1
        if inputs[0][1:] == (width, steps):
            return (
                f"{takes}, which swaps the axes: Keras reads a shape as (timesteps, features), so "
                f"it takes the {width} channel{'s'[: width > 1]} for {width} time "
                f"step{'s'[: width > 1]} of {steps} features; build it with "
                f"input_shape=({steps}, {width}) and retrain"
            )
    return (
        f"{takes}; the contract says {steps} steps of {channels} channels, so one input "
        f"(None, {steps}, {channels}) or {channels} inputs (None, {steps}, 1)"
    )


def _fits(shape: Shape, expected: tuple[int, int]) -> bool:
    steps, features = expected
    return len(shape) == 3 and shape[1] in (None, steps) and shape[2] == features


def _shapes(shapes: Sequence[Shape], noun: str) -> str:
    """``2 inputs (None, 20, 1)``, or each different shape where they differ."""
    different = list(dict.fromkeys(str(shape) for shape in shapes))
    listed = ", ".join(different[:4]) + ", …" * (len(different) > 4)
    return f"{len(shapes)} {noun}{'s'[: len(shapes) != 1]} {listed}"


def _fitted(
    path: Path, contract: Contract, verdict: str | None, bundle_sha256: str | None
) -> LoadedModel:
    model, sha256 = _load(path)
    try:
        per_channel = check_fit(model, contract)
    except UsageError as error:
        raise UsageError(f"model {path}: {error}") from None
    return LoadedModel(model, contract, per_channel, sha256, verdict, path, bundle_sha256)


def _load(
    path: Path,
    architecture: Path | None = None,
    replaced: Mapping[str, Entry] | None = None,
) -> tuple[keras.Model, str]:
    """The model and the SHA-256 of its file."""
    _require_model_file(path)
    with tempfile.TemporaryDirectory(prefix="eegd-") as folder:
        try:
            file = container.opened(
                path, Path(folder), architecture=architecture, replaced=replaced
            )
        except (Refused, OSError) as error:
            raise UsageError(f"model {path}: {error}") from None
        if may_fuse(file.config):  # to be decided before TensorFlow begins
            cores.leave_to_engines()
        doing = "Keras cannot build it"
        # Keras lets through whatever a foreign description makes its code raise.
        try:
            model = keras.saving.deserialize_keras_object(file.config)
            doing = "its weights do not fit its layers"
            with warnings.catch_warnings():
                # Keras would leave these layers as they were created.
                warnings.filterwarnings("error", message="Skipping nested container")
                model.load_weights(str(file.weights))
        except Exception as error:  # noqa: BLE001
            raise UsageError(f"model {path}: {doing}: {_gist(error)}") from None
    for weight in model.weights:
        if not bool(keras.ops.all(keras.ops.isfinite(weight))):
            raise UsageError(
                f"model {path}: the weight {weight.path} is not finite, so every output would be "
                f"NaN; train it anew with a lower learning rate"
            )
    return model, file.sha256


def _require_model_file(path: Path) -> None:
    if not path.exists():
        raise UsageError(f"model {path} does not exist")
    if saved_model.is_one(path):
        return
    if path.suffix.lower() not in container.SUFFIXES:
        raise UsageError(f"model {path} is none of {', '.join(container.SUFFIXES)}")
    if not path.is_file():
        raise UsageError(f"model {path} is not a file")


def _gist(error: Exception) -> str:
    """Keras's own message in one short line, without its repetition of whole descriptions."""
    text = str(error)
    for preamble in ("Exception encountered:", "Example error message for object"):
        text = text.rpartition(preamble)[2]
    lines = [line.strip() for line in text.splitlines() if line.strip()] or [type(error).__name__]
    return clean(" ".join(lines[: 1 + lines[0].endswith(":")]), 240)


def _bundled_model(folder: Path) -> Path:
    found = [folder / name for name in _BUNDLED if (folder / name).exists()]
    if len(found) == 1:
        return found[0]
    if not found and saved_model.is_one(folder):
        return folder
    wrong = f"both {' and '.join(_BUNDLED)}" if found else f"neither {' nor '.join(_BUNDLED)}"
    raise UsageError(f"model bundle {folder} has {wrong}: it needs one of them")


def _verdict(report: Path) -> str | None:
    if not report.exists():
        return None
    try:
        content = json.loads(limited_text(report, MAX_REPORT))
    except (OSError, ValueError, RecursionError):
        raise UsageError(f"report {report} is not JSON: train the model anew") from None
    verdict = content.get("verdict") if isinstance(content, dict) else None
    return clean(verdict, 1000) if isinstance(verdict, str) else None
