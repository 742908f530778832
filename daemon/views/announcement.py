"""What a daemon says: its marker stream's ``desc``, and the markers.

Rules that hold here:

- Whoever publishes under the daemon's name says all this. What does not read as ours is None, never
  an exception; names and reasons are cleaned; sizes are limited.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from daemon.config import StreamConfig
from daemon.contract import Contract
from daemon.discovery import MAX_CHANNELS
from daemon.text import clean
from daemon.validation import Model

MAX_MARKER = 1 << 16  # characters
MAX_CLASSES = 64  # that a view can show
_REASON = 300  # characters
_LATEST = 1e9  # seconds: a stamp beyond it is of no clock, and no time of day

Name = Annotated[str, AfterValidator(clean)]
Finite = Annotated[float, Field(allow_inf_nan=False)]


class Marker(BaseModel):
    """One of the daemon's markers; see the keys of its JSON.

    ``stamp`` is the window's end on this host's clock, in seconds; `marker` sets it.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    sequence: int
    status: Literal["ok", "abstain"]
    reason: Annotated[str, AfterValidator(lambda text: clean(text, _REASON))] | None = None
    code: Name | None = None
    channels: Annotated[tuple[Name, ...], Field(max_length=MAX_CHANNELS)] = ()
    label: Name | None = None
    probabilities: Annotated[dict[Name, Finite], Field(max_length=MAX_CLASSES)] | None = None
    age_ms: Finite
    filled: Finite = 0.0
    stamp: float = 0.0


def marker(text: str, stamp: float) -> Marker | None:
    """The marker that ``text`` is, or None where it is none of ours."""
    if len(text) > MAX_MARKER or not abs(stamp) <= _LATEST:
        return None
    try:
        said = Marker.model_validate_json(text)
    except ValidationError:
        return None
    return said.model_copy(update={"stamp": stamp})


@dataclass(frozen=True, slots=True)
class Announcement:
    """What the marker stream says of the daemon behind it.

    Attributes
    ----------
    name, hostname : str
        Of the stream.
    model, sha256, verdict, engine : str
        Empty where it does not say.
    contract, wanted
        None where it does not say: the page then knows neither rate nor channels.
    hop : int
        Samples; 0 where it does not say.
    metrics_host : str
        Where its metrics are served; empty where it does not say.
    metrics_port : int or None
    """

    name: str
    hostname: str
    model: str
    sha256: str
    verdict: str
    engine: str
    contract: Contract | None
    wanted: StreamConfig | None
    hop: int
    metrics_host: str
    metrics_port: int | None

    @property
    def hop_seconds(self) -> float:
        """Seconds between two predictions; 1 where it is not known."""
        return self.hop / self.contract.step_rate if self.contract and self.hop else 1.0

    @property
    def window_seconds(self) -> float | None:
        return self.contract.window / self.contract.step_rate if self.contract else None


def announcement(info: Any) -> Announcement:
    """Read a full ``pylsl.StreamInfo``."""
    desc = info.desc()

    def said(key: str) -> str:
        return clean(desc.child_value(key))

    return Announcement(
        name=clean(info.name()),
        hostname=clean(info.hostname()),
        model=said("name"),
        sha256=said("model"),
        verdict=clean(desc.child_value("verdict"), _REASON),
        engine=said("engine"),
        contract=_parsed(Contract, desc.child_value("contract")),
        wanted=_parsed(StreamConfig, desc.child_value("stream")),
        hop=_whole(said("hop"), 0) or 0,
        metrics_host=said("metrics_host"),
        metrics_port=_whole(said("metrics_port"), None),
    )


def _parsed(kind: type[Model], text: str) -> Model | None:
    try:
        return kind.model_validate_json(text)
    except ValidationError:
        return None


def _whole(text: str, otherwise: int | None) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 9 else otherwise
