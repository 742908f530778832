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
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import keras

from daemon.contract import Contract, is_bundle, read_contract
from daemon.encoders import additions, bundle, container, cores, saved_model  # noqa: F401
from daemon.encoders.bundle import Seal
from daemon.encoders.description import Entry, Refused
from daemon.encoders.fuse import may_fuse
from daemon.encoders.keras_network import KerasNetwork
from daemon.encoders.network import Network
from daemon.encoders.onnx_network import load_onnx
from daemon.encoders.plan import Job
from daemon.encoders.shapes import check_fit
from daemon.errors import UsageError
from daemon.layout import Layout
from daemon.per_window import PerWindow
from daemon.text import clean
from daemon.validation import limited_text

ONNX = ".onnx"

# A line for every recording and every epoch of every fold.
MAX_REPORT = 16 << 20


@dataclass(frozen=True)
class LoadedModel:
    """A model that fits its contract.

    Attributes
    ----------
    network : Network
    contract : Contract
    layout : Layout
        How windows lie in its input; `daemon.layout.PER_CHANNEL` for one input each channel.
    sha256 : str
        Of the model file, in hexadecimal digits.
    verdict : str or None
        What the training's evaluation came to, from the bundle's ``report.json``.
    path : Path
        The model file.
    bundle_sha256 : str or None
        Content hash of the bundle, see `daemon.encoders.bundle`; None for one without a manifest.
    """

    network: Network
    contract: Contract
    layout: Layout
    sha256: str
    verdict: str | None
    path: Path
    bundle_sha256: str | None

    def job(self, hop: int) -> Job:
        """What an engine has to run, with a window each ``hop`` steps."""
        contract = self.contract
        return Job(
            self.network,
            self.layout,
            len(contract.inputs),
            contract.window,
            hop,
            PerWindow(contract.per_window, contract.step_rate),
            contract.output == "logits",
        )


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
        return _fitted(path, read_contract(path, contract), verdict=None, seal=None)
    seal = bundle.verified(path)
    file = _bundled_model(path)
    return _fitted(file, read_contract(path, contract), _verdict(path / "report.json"), seal)


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
    return _load(path, None, architecture, replaced)[0]


def _fitted(path: Path, contract: Contract, verdict: str | None, seal: Seal | None) -> LoadedModel:
    network, sha256 = load_network(path, seal)
    try:
        layout = check_fit(network, contract)
    except UsageError as error:
        raise UsageError(f"model {path}: {error}") from None
    return LoadedModel(
        network, contract, layout, sha256, verdict, path, seal.sha256 if seal else None
    )


def load_network(
    path: Path,
    seal: Seal | None = None,
    *,
    architecture: Path | None = None,
    replaced: Mapping[str, Entry] | None = None,
) -> tuple[Network, str]:
    """The model in a file, and the SHA-256 of the file.

    Raises
    ------
    UsageError
        As `load_keras`; or its inputs have no fixed shape, or the ``seal`` of its bundle is broken.
    """
    if path.suffix.lower() == ONNX:
        _require_model_file(path)
        if architecture or replaced:
            raise UsageError(
                f"model {path}: an ONNX model is whole: leave out --architecture and --replace"
            )
        return load_onnx(path, seal)
    model, sha256 = _load(path, seal, architecture, replaced)
    try:
        return KerasNetwork(model), sha256
    except UsageError as error:
        raise UsageError(f"model {path}: {error}") from None


def _load(
    path: Path,
    seal: Seal | None = None,
    architecture: Path | None = None,
    replaced: Mapping[str, Entry] | None = None,
) -> tuple[keras.Model, str]:
    """The model and the SHA-256 of its file."""
    _require_model_file(path)
    with tempfile.TemporaryDirectory(prefix="eegd-") as folder:
        try:
            file = container.opened(
                path, Path(folder), seal=seal, architecture=architecture, replaced=replaced
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
    if path.suffix.lower() not in (*container.SUFFIXES, ONNX):
        raise UsageError(f"model {path} is none of {', '.join((*container.SUFFIXES, ONNX))}")
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
    found = [folder / name for name in bundle.MODELS if (folder / name).exists()]
    if len(found) == 1:
        return found[0]
    if not found and saved_model.is_one(folder):
        return folder
    has = ", ".join(file.name for file in found) or "none"
    raise UsageError(f"model bundle {folder} needs one of {', '.join(bundle.MODELS)} and has {has}")


def _verdict(report: Path) -> str | None:
    if not report.exists():
        return None
    try:
        content = json.loads(limited_text(report, MAX_REPORT))
    except (OSError, ValueError, RecursionError):
        raise UsageError(f"report {report} is not JSON: train the model anew") from None
    verdict = content.get("verdict") if isinstance(content, dict) else None
    return clean(verdict, 1000) if isinstance(verdict, str) else None
