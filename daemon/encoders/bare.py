"""A bare Keras file → a bundle: what it does not say is asked for, what it says is checked."""

from __future__ import annotations

import json
import math
import shutil
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path

import keras

from daemon.contract import Contract
from daemon.encoders import bundle, loading
from daemon.encoders.description import Entry
from daemon.encoders.keras_network import KerasNetwork
from daemon.encoders.network import Network
from daemon.encoders.onnx_network import OnnxNetwork
from daemon.encoders.shapes import check_fit
from daemon.errors import UsageError
from daemon.layout import readings
from daemon.validation import validated

VERDICT = "not evaluated: nothing is known of its accuracy"

QUESTIONS = {
    "sample_rate": "Samples per second that the model was trained on",
    "channels": "Channels in the model's order, separated by commas",
    "unit": "Unit of the samples (volts, millivolts, microvolts, nanovolts)",
    "classes": "Classes in the order of the model's outputs (of one sigmoid: first the class of 0, "
    "then that of 1), separated by commas",
    "window": "Steps of one window",
}


def adopt(
    path: Path,
    out: Path,
    given: Mapping[str, str | None],
    ask: Callable[[str], str] | None,
    *,
    architecture: Path | None = None,
    replaced: Mapping[str, Entry] | None = None,
) -> Contract:
    """Put the model file ``path`` into the bundle ``out``.

    A file that is whole goes there as it is. A SavedModel, weights with their architecture beside
    them, and a model with layers replaced are saved anew.

    Parameters
    ----------
    path : Path
        A ``.keras``, ``.h5`` or ``.hdf5`` file, or a SavedModel's folder.
    out : Path
        A folder that does not exist yet.
    given : mapping of str to str or None
        Answers to `QUESTIONS`, as they were written; None where one has not been given. And
        ``layout`` and ``output``, which have defaults.
    ask : function of str, or None
        Asks a person; None where nobody is there.
    architecture, replaced
        See `daemon.encoders.container.opened`.

    Raises
    ------
    UsageError
        The model cannot be loaded, something is missing and nobody there to ask, an answer is
        wrong, or the model contradicts the answers.
    """
    bundle.require_free(out)
    network, _ = loading.load_network(path, architecture=architecture, replaced=replaced)
    layout = _layout(given.get("layout"))
    steps, channels, classes = _said(network, layout)
    hints = {"channels": channels, "classes": classes}
    answers = {key: given.get(key) for key in QUESTIONS}
    if steps is not None and answers["window"] is None:
        answers["window"] = str(steps)
    missing = [key for key, answer in answers.items() if answer is None]
    if missing and ask is None:
        options = ", ".join(f"--{key.replace('_', '-')}" for key in missing)
        raise UsageError(f"model {path} does not say what {options} would: add them")
    for key in missing:
        assert ask is not None
        hint = f" ({hints[key]} of them)" if hints.get(key) else ""
        answers[key] = ask(QUESTIONS[key] + hint)
    contract = validated(
        Contract,
        {
            "sample_rate": _number(answers, "sample_rate"),
            "window": int(_number(answers, "window")),
            "channels": _listed(answers["channels"]),
            "unit": (answers["unit"] or "").strip(),
            "classes": _listed(answers["classes"]),
            "layout": layout,
            "output": given.get("output") or "probabilities",
        },
        f"the contract of {path}",
    )
    try:
        check_fit(network, contract)
        if contract.output == "probabilities" and network.activation in ("linear", "log_softmax"):
            raise UsageError(f"it ends in {network.activation}, so it gives logits: write that")
    except UsageError as error:
        raise UsageError(f"model {path}: {error} (here: --layout, --output)") from None
    with bundle.written(out) as folder:
        suffix = path.suffix.lower().replace(".hdf5", ".h5")
        if isinstance(network, OnnxNetwork):
            (folder / f"model{suffix}").write_bytes(network.content)
        elif isinstance(network, KerasNetwork) and (architecture or replaced or path.is_dir()):
            _save(network.model, folder / bundle.MODEL)
        else:
            shutil.copyfile(path, folder / f"model{suffix}")
        (folder / bundle.CONTRACT).write_text(bundle.contract_text(contract), encoding="utf-8")
        report = json.dumps({"verdict": VERDICT}, indent=1)
        (folder / bundle.REPORT).write_text(report + "\n", encoding="utf-8")
        (folder / "report.md").write_text(
            f"# {out.name}\n\nNot evaluated: it was made of {path.name} by `eegd bundle`, and "
            "nothing is known of its accuracy.\n",
            encoding="utf-8",
        )
    return contract


def _save(model: keras.Model, path: Path) -> None:
    with warnings.catch_warnings():
        # Keras's TensorFlow variables are older than NumPy 2's __array__(copy=...).
        warnings.filterwarnings("ignore", "__array__ implementation", DeprecationWarning)
        model.save(path)


def _said(network: Network, layout: list[str] | None) -> tuple[int | None, int | None, int | None]:
    """Steps, channels and classes, as far as the model's shapes say them."""
    steps, channels = None, None
    if len(network.inputs) > 1:
        steps, channels = network.inputs[0].shape[0], len(network.inputs)
    elif found := readings(network.inputs[0].shape):
        asked = [one for one in found if layout is None or [*one[0]] == layout]
        _, steps, channels = (asked or found)[0]
    classes = network.outputs[0].shape[-1] if network.outputs[0].shape else None
    return steps, channels, 2 if classes == 1 else classes


def _layout(written: str | None) -> list[str] | None:
    """``[channels, steps, 1]``, with or without its brackets."""
    return None if written is None else _listed(written.strip().strip("[]"))


def _number(answers: Mapping[str, str | None], key: str) -> float:
    try:
        value = float(answers[key] or "")
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise UsageError(f"--{key.replace('_', '-')} {answers[key]!r} is not a number")
    return value


def _listed(text: str | None) -> list[str]:
    return [part.strip() for part in (text or "").split(",") if part.strip()]
