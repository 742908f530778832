"""What a model needs of a stream; `daemon.pick` holds it against one.

Channels are named, never counted: case, spaces and trailing dots of a label do not matter, so the
``Fp1.`` of an EDF+ file is the contract's ``FP1``.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator

from daemon.errors import UsageError
from daemon.layout import Layout, layout_of
from daemon.steps import Step, model_inputs, require_sensible, samples_per_step
from daemon.text import normal_label
from daemon.units import Unit
from daemon.validation import Labels, Strict, read_yaml, validated
from daemon.window_steps import WindowStep, require_sensible_window

MAX_RATE = 1e6  # Hz

_FILE = "contract.yaml"

# Steps of a window or a hop: hours at any rate. Beyond it numbers are slips, and memory is short.
MAX_STEPS = 10_000_000


def _layout(written: object) -> Layout | None:
    return None if written is None else layout_of(written)


class Contract(Strict):
    """What a model needs: the content of a bundle's ``contract.yaml``.

    Attributes
    ----------
    sample_rate : float
        Hz, of the EEG.
    window : int
        Steps of one window, as the model sees them: after a ``bandpower`` or ``decimate``.
    channels : tuple of str
        Labels in the model's order.
    unit : str
        Unit of the samples that the model was trained on.
    classes : tuple of str
        In the order of the model's outputs.
    temperature : float
        Calibration: softmax(logits / temperature). 1 leaves the model's output as it is.
    conditioning : tuple of Step
        Causal steps between stream and model, in order.
    layout : Layout or None
        How a window lies in the model's input; None is [steps, channels], or one input for each
        channel where the model has several.
    per_window : tuple of WindowStep
        What is done to each whole window, after conditioning, in order.
    output : "probabilities" or "logits"
        What the model gives; logits get a softmax, a single one a sigmoid.
    """

    sample_rate: float = Field(gt=0, le=MAX_RATE)
    window: int = Field(gt=0, le=MAX_STEPS)
    channels: Labels = Field(min_length=1)
    unit: Unit = "microvolts"
    classes: Labels = Field(min_length=2)
    temperature: float = Field(default=1.0, gt=0, allow_inf_nan=False)
    conditioning: Annotated[tuple[Step, ...], Field(strict=False, max_length=32)] = ()
    layout: Annotated[Layout | None, BeforeValidator(_layout)] = None
    per_window: Annotated[tuple[WindowStep, ...], Field(strict=False, max_length=32)] = ()
    output: Literal["probabilities", "logits"] = "probabilities"

    @field_validator("channels")
    @classmethod
    def _distinct_channels(cls, channels: tuple[str, ...]) -> tuple[str, ...]:
        require_distinct([normal_label(label) for label in channels])
        return channels

    @field_validator("classes")
    @classmethod
    def _distinct_classes(cls, classes: tuple[str, ...]) -> tuple[str, ...]:
        require_distinct(list(classes))
        return classes

    @field_validator("conditioning")
    @classmethod
    def _sensible_steps(cls, steps: tuple[Step, ...], info: ValidationInfo) -> tuple[Step, ...]:
        for step in steps:
            require_distinct([normal_label(label) for label in step.reference or ()])
        known = info.data
        if "sample_rate" in known and "channels" in known:
            require_sensible(steps, known["sample_rate"], known["channels"])
            samples = known.get("window", 0) * samples_per_step(steps, known["sample_rate"])
            if samples > MAX_STEPS:
                raise ValueError(f"a window would have {samples} samples, more than {MAX_STEPS}")
        return steps

    @field_validator("per_window")
    @classmethod
    def _sensible_window(
        cls, steps: tuple[WindowStep, ...], info: ValidationInfo
    ) -> tuple[WindowStep, ...]:
        known = info.data
        if "sample_rate" in known and "window" in known:
            rate = known["sample_rate"] / samples_per_step(
                known.get("conditioning", ()), known["sample_rate"]
            )
            require_sensible_window(steps, rate, known["window"])
        return steps

    @property
    def needed(self) -> tuple[str, ...]:
        """The model's channels in its order, then those that it does not take but refers to."""
        return (*self.channels, *self.referred)

    @property
    def inputs(self) -> tuple[str, ...]:
        """What the model takes at each step, in order: channels, or bands of them (``C3 8-13``)."""
        return model_inputs(self.conditioning, self.channels)

    @property
    def samples_per_step(self) -> int:
        """Samples at ``sample_rate`` that make one step of the model."""
        return samples_per_step(self.conditioning, self.sample_rate)

    @property
    def step_rate(self) -> float:
        """Steps of the model a second, in Hz: ``sample_rate`` where none is left out."""
        return self.sample_rate / self.samples_per_step

    def before_power(self) -> Contract | None:
        """The contract of a model that would take the EEG of which ``bandpower`` is, unreferenced.

        None where there is no ``bandpower``.
        """
        kinds = [step.kind for step in self.conditioning]
        if "bandpower" not in kinds:
            return None
        before = self.conditioning[: kinds.index("bandpower")]
        plain = tuple(s for s in before if s.kind not in ("reference", "laplacian"))
        return self.model_copy(
            update={"conditioning": plain, "window": self.window * self.samples_per_step}
        )

    @property
    def referred(self) -> tuple[str, ...]:
        """Channels that the reference names and the model does not take."""
        own = {normal_label(label) for label in self.channels}
        named = [label for step in self.conditioning for label in step.reference or ()]
        return tuple(label for label in named if normal_label(label) not in own)


def is_bundle(path: Path) -> bool:
    """Whether a model's path is a folder with a contract in it, or one that should have it.

    A SavedModel is a folder too, and comes without.
    """
    return path.is_dir() and ((path / _FILE).exists() or not (path / "saved_model.pb").is_file())


def read_contract(path: Path, written: Contract | None) -> Contract:
    """The contract of the model at ``path``: a bundle's own, or for a bare file ``written``.

    Raises
    ------
    UsageError
        There are two, or none, or it is not valid.
    """
    if not is_bundle(path):
        if written is None and not path.exists():
            raise UsageError(f"model {path} does not exist")
        if written is None:
            raise UsageError(
                f"model {path} comes without a contract: write it under model.contract in "
                f"config.yaml"
            )
        return written
    if written is not None:
        raise UsageError(
            f"model bundle {path} carries its own contract.yaml: remove model.contract from "
            f"config.yaml"
        )
    file = path / _FILE
    return validated(Contract, read_yaml(file, "contract"), str(file))


def require_distinct(labels: list[str]) -> None:
    """Raise a ValueError that names what ``labels``, as they are compared, hold more than once."""
    double = [label for label, count in Counter(labels).items() if count > 1]
    if double:
        raise ValueError(f"{', '.join(double)} occurs more than once")
