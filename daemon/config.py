"""``config.yaml`` → validated, frozen objects.

Every key has its default here and nowhere else. Relative paths are resolved against the config
file's folder, so that the daemon does the same wherever it is started from.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator

from daemon.contract import MAX_RATE, MAX_STEPS, Contract, require_distinct
from daemon.records import PROPERTIES
from daemon.text import normal_label
from daemon.units import Unit
from daemon.validation import Label, Labels, Strict, read_yaml, validated

Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Fraction = Annotated[float, Field(ge=0, le=1)]
FilePath = Annotated[Path, Field(strict=False)]


class StreamConfig(Strict):
    """Which LSL stream to take, and what it does not say of itself, or says wrong.

    Every property given must match, and exactly one stream may. For the others see
    `daemon.overrides.Overrides`.
    """

    type: str | None = "EEG"
    name: str | None = None
    source_id: str | None = None
    hostname: str | None = None
    resolve_timeout: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    channels: Labels | None = None
    rename: dict[Label, Label] | None = None
    unit: Unit | None = None
    sample_rate: Annotated[float, Field(gt=0, le=MAX_RATE)] | None = None

    @field_validator("rename")
    @classmethod
    def _one_to_one(cls, rename: dict[str, str] | None) -> dict[str, str] | None:
        require_distinct([normal_label(label) for label in rename or ()])
        require_distinct([normal_label(name) for name in (rename or {}).values()])
        return rename

    @property
    def given(self) -> dict[str, str]:
        """The properties that a stream must have."""
        return {key: getattr(self, key) for key in PROPERTIES if getattr(self, key) is not None}

    def __str__(self) -> str:
        return ", ".join(f"{key} {value!r}" for key, value in self.given.items()) or "any stream"


class ModelConfig(Strict):
    path: FilePath
    contract: Contract | None = None


class WindowConfig(Strict):
    hop: int = Field(default=160, gt=0, le=MAX_STEPS)


class EngineConfig(Strict):
    kind: Literal["auto", "streaming", "window"] = "auto"
    device: Literal["auto", "gpu", "cpu"] = "auto"


class DecisionConfig(Strict):
    threshold: Fraction = 0.0
    smoothing: Seconds = 0.0


class QualityConfig(Strict):
    fill_up_to: Seconds = 0.1
    max_filled: Fraction = 0.02
    stall_after: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1.0


class OutputConfig(Strict):
    name: str = Field(default="EEGClassifier", min_length=1)
    source_id: str | None = None
    log: FilePath | None = None


class MetricsConfig(Strict):
    host: str = "127.0.0.1"
    port: int | None = Field(default=9464, ge=1, le=65535)


class Config(Strict):
    """The whole of ``config.yaml``."""

    model: ModelConfig
    stream: StreamConfig = StreamConfig()
    window: WindowConfig = WindowConfig()
    engine: EngineConfig = EngineConfig()
    decision: DecisionConfig = DecisionConfig()
    quality: QualityConfig = QualityConfig()
    output: OutputConfig = OutputConfig()
    metrics: MetricsConfig = MetricsConfig()

    @field_validator("*", mode="before")
    @classmethod
    def _empty_section(cls, section: object) -> object:
        """A section whose keys are all commented out is None in YAML: it keeps its defaults."""
        return {} if section is None else section


def load_config(path: Path) -> Config:
    """Read and validate ``path``; its relative paths come back absolute.

    Raises
    ------
    UsageError
        Names the file, the key and what is wrong.
    """
    content = read_yaml(path, "config file")
    config = validated(Config, {} if content is None else content, str(path))
    folder = path.resolve().parent
    model = config.model.model_copy(update={"path": folder / config.model.path})
    output = config.output
    if output.log is not None:
        output = output.model_copy(update={"log": folder / output.log})
    return config.model_copy(update={"model": model, "output": output})
