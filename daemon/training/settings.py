"""``training.yaml`` → validated, frozen objects: which recordings, which marker means which class.

Relative paths start at the file's folder.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, ValidationError, field_validator, model_validator

from daemon.config import QualityConfig, StreamConfig
from daemon.contract import MAX_STEPS, Contract
from daemon.errors import UsageError
from daemon.text import marker_text, quoted
from daemon.units import Unit
from daemon.validation import Labels, Strict, faults, read_yaml, validated
from daemon.window_steps import WindowStep

Steps = Annotated[int, Field(gt=0, le=MAX_STEPS)]
Seconds = Annotated[float, Field(allow_inf_nan=False)]
Units = Annotated[
    tuple[Annotated[int, Field(ge=1, le=4096)], ...], Field(strict=False, min_length=1)
]
Patterns = Annotated[tuple[str, ...], Field(min_length=1, strict=False)]

FROM_TRAINING = {"zscore": "from training"}


def _is_marker(value: Any) -> bool:
    """A text, or the number of a trigger; YAML's yes and no are neither."""
    return isinstance(value, (str, int)) and not isinstance(value, bool)


def _as_marker(value: Any) -> Any:
    """A number stands for its text."""
    return marker_text(str(value)) if _is_marker(value) else value


Marker = Annotated[str, BeforeValidator(_as_marker), Field(min_length=1)]


class Meaning(Strict):
    """A marker that begins a trial of a class, in the files whose name fits one of ``files``.

    Without a marker each such file is one trial, whole.
    """

    marker: Marker | None = None
    files: Patterns = ("*",)

    @model_validator(mode="before")
    @classmethod
    def _short(cls, content: Any) -> Any:
        """``T0`` stands for {marker: T0}, and one pattern for a list of one."""
        if _is_marker(content):
            return {"marker": content}
        if isinstance(content, dict) and isinstance(content.get("files"), str):
            content = {**content, "files": [content["files"]]}
        if isinstance(content, dict) and not {"marker", "files"} & content.keys():
            raise ValueError("name the marker that begins a trial, the files, or both")
        return content

    def fits(self, file: str, marker: str | None) -> bool:
        return marker == self.marker and any(fnmatch.fnmatchcase(file, p) for p in self.files)


Meanings = Annotated[tuple[Meaning, ...], Field(min_length=1, strict=False)]


class Trial(Strict):
    """Where the EEG of a class lies: from ``offset`` seconds after its marker, for ``length``.

    ``length`` null: until the next marker that begins or ends a trial.
    """

    offset: Seconds = 0.0
    length: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    ends: Annotated[tuple[Marker, ...], Field(strict=False)] = ()


class Split(Strict):
    """Which data a model is tested on that it has not been trained on.

    ``folds`` times, another part of the recordings is left out whole; or only once, ``test``.
    ``block`` (seconds) cuts recordings into blocks that are left out instead, for few recordings.
    Recordings whose names fit one of the patterns ``together`` are left out as one: those of a
    person, or of a session.
    """

    folds: int = Field(default=3, ge=2, le=100)
    validation: Annotated[float, Field(gt=0, lt=1)] = 0.25
    test: Patterns | None = None
    block: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    together: Annotated[tuple[str, ...], Field(strict=False)] = ()


def _as_list(units: object) -> object:
    return [units] if isinstance(units, int) and not isinstance(units, bool) else units


class Fit(Strict):
    """How the encoder is trained; what is not given is as `daemon.training.recipe` has it.

    ``memory`` and ``ask_from`` are seconds.
    """

    encoder: Literal["channel", "common"] | None = None
    epochs: int | None = Field(default=None, ge=1, le=100_000)
    batch: int | None = Field(default=None, ge=1, le=65536)
    learning_rate: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    patience: int | None = Field(default=None, ge=1)
    class_weights: bool | None = None
    smoothing: Annotated[float, Field(ge=0, lt=1)] | None = None
    noise: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    units: Annotated[Units, BeforeValidator(_as_list)] | None = None
    channel_units: int | None = Field(default=None, ge=1, le=64)
    start: Literal["keras", "discriminant"] | None = None
    memory: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    ask_from: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    drift: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    dropout: Annotated[float, Field(ge=0, lt=1)] | None = None
    members: int | None = Field(default=None, ge=1, le=16)


class Training(Strict):
    """The whole of ``training.yaml``.

    ``window`` is what the model will be deployed with, ``training_window`` what it is trained on:
    the weights do not depend on the length. ``strict`` refuses damaged recordings.
    """

    recordings: Patterns
    channels: Labels = Field(min_length=1)
    sample_rate: float = Field(gt=0, le=1e6)
    unit: Unit = "microvolts"
    window: Steps
    training_window: Steps | None = None
    hop: Steps | None = None
    classes: dict[str, Meanings] = Field(min_length=2)
    trial: Trial = Trial()
    conditioning: Annotated[tuple[dict[str, Any], ...], Field(strict=False)] = ()
    per_window: Annotated[tuple[WindowStep, ...], Field(strict=False)] = ()
    stream: StreamConfig = StreamConfig()
    markers: str | None = None
    strict: bool = False
    quality: QualityConfig = QualityConfig()
    split: Split = Split()
    fit: Fit = Fit()
    seed: int = Field(default=0, ge=0, lt=2**32)

    @field_validator("classes", mode="before")
    @classmethod
    def _one_meaning(cls, classes: Any) -> Any:
        """A class of one marker may leave out the list."""
        if not isinstance(classes, dict):
            return classes
        return {
            name: [meanings] if _is_marker(meanings) or isinstance(meanings, dict) else meanings
            for name, meanings in classes.items()
        }

    @field_validator("conditioning")
    @classmethod
    def _zscore_last(cls, steps: tuple[dict[str, Any], ...]) -> tuple[dict[str, Any], ...]:
        if FROM_TRAINING in steps[:-1]:
            raise ValueError("zscore: from training must be the last step, once")
        return steps

    @model_validator(mode="after")
    def _contract_holds(self) -> Training:
        if self.steps > self.window:
            raise ValueError(
                f"training_window {self.steps} is longer than the window {self.window} that the "
                "model will be deployed with"
            )
        if self.per_window and self.steps < self.window:
            raise ValueError(
                "per_window is done to windows of the deployed length: leave training_window out"
            )
        if self.per_window and any("bandpower" in step for step in self.conditioning):
            raise ValueError("per_window is for a model of the EEG itself: leave bandpower out")
        try:
            self.contract()
        except ValidationError as error:
            raise ValueError(faults(Contract, error)) from None
        return self

    @property
    def steps(self) -> int:
        """Of a training window."""
        return self.training_window or self.window

    @property
    def scaled_from_training(self) -> bool:
        return self.conditioning[-1:] == (FROM_TRAINING,)

    @property
    def fixed_conditioning(self) -> tuple[dict[str, Any], ...]:
        """The steps that do not depend on what is training data."""
        return self.conditioning[: -self.scaled_from_training or None]

    def contract(
        self, more: Sequence[dict[str, Any]] = (), *, temperature: float = 1.0
    ) -> Contract:
        """Of a model trained like this, with ``more`` conditioning after the fixed one."""
        return Contract.model_validate(
            {
                "sample_rate": self.sample_rate,
                "window": self.window,
                "channels": self.channels,
                "unit": self.unit,
                "classes": tuple(self.classes),
                "temperature": temperature,
                "conditioning": (*self.fixed_conditioning, *more),
                "per_window": self.per_window,
            }
        )

    @property
    def markers_meant(self) -> set[str]:
        """All that begin or end a trial."""
        meanings = (meaning for of_class in self.classes.values() for meaning in of_class)
        return {meaning.marker for meaning in meanings if meaning.marker} | {*self.trial.ends}

    def class_of(self, file: str, marker: str | None) -> str | None:
        """The class that ``marker`` begins in a file of that name, or None.

        ``marker`` None: the class of the file as a whole.

        Raises
        ------
        UsageError
            It begins several.
        """
        found = [
            name
            for name, meanings in self.classes.items()
            if any(meaning.fits(file, marker) for meaning in meanings)
        ]
        if len(found) > 1:
            what = "the whole file" if marker is None else f"the marker {quoted(marker)}"
            raise UsageError(
                f"classes: {what} means {' and '.join(found)} in {file}: narrow their files"
            )
        return found[0] if found else None


def load_training(path: Path) -> Training:
    """Read and validate ``path``; its recordings come back as absolute patterns.

    Raises
    ------
    UsageError
        Names the file, the key and what is wrong.
    """
    training = validated(Training, read_yaml(path, "training file"), str(path))
    folder = path.resolve().parent
    return training.model_copy(
        update={"recordings": tuple(str(folder / pattern) for pattern in training.recordings)}
    )
