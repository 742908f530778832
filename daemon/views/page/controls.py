"""What the person at the page has chosen: colours, pause, scale, channels.

It comes from a browser, so whatever does not read as a choice leaves things as they are.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from daemon.views.traces import MAX_CHANNELS

Colour = Annotated[str, Field(pattern=r"^#[0-9a-f]{6}$")]


class Controls(BaseModel):
    """``gain`` is microvolts a row; ``picked`` None shows the model's channels.

    ``seen`` is the number of the last news that the page has shown.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    ink: Colour = "#12202e"
    dim: Colour = "#546474"
    line: Colour = "#d5dce3"
    accent: Colour = "#0072b2"
    muted: Colour = "#a9b7c4"
    warn: Colour = "#d55e00"
    seen: int = 0
    paused: bool = False
    gain: Annotated[float, Field(gt=0, le=1e6)] = 50.0
    picked: Annotated[list[int], Field(max_length=MAX_CHANNELS)] | None = None


def read(text: str, before: Controls) -> Controls:
    """The choices that ``text`` says, or ``before``."""
    try:
        return Controls.model_validate_json(text)
    except ValidationError:
        return before
