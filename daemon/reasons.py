"""Why there is no answer: a reason has a code for programs and words for people.

A reason is made where the fault is found, and travels as it is from there to the marker. Programs
go by code and channels alone: the words may change with any version, and are never read back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum


class Code(str, Enum):
    """What a reason is, for programs. ``docs/clients.md`` lists the codes with their meaning.

    A code never changes its meaning. New ones may come.

    Attributes
    ----------
    meaning : str
        In a line.
    """

    meaning: str

    def __new__(cls, value: str, meaning: str) -> Code:
        code = str.__new__(cls, value)
        code._value_ = value
        code.meaning = meaning
        return code

    __str__ = str.__str__

    # The window's samples.
    NOT_FINITE = "not_finite", "the channels have values that are not finite numbers"
    TOO_LARGE = "too_large", "the channels have voltages or swings that are too large for EEG"
    TOO_SMALL = "too_small", "no channel varies by more than an amplifier's own noise"
    FLAT = "flat", "the channels did not change for a second or longer"
    SATURATED = "saturated", "the channels stayed at their largest or smallest value for too long"
    FILLED = "filled", "more of the window was missing and filled than `quality.max_filled`"
    # The stream's times.
    GAP = "gap", "more samples are missing than `quality.fill_up_to`: the window starts over"
    CLOCK_STEPPED_BACK = "clock_stepped_back", "the stream's clock stepped back"
    OFF_RATE = "off_rate", "the stream runs at another rate than its nominal one"
    NO_VOLTAGE = "no_voltage", "the channels had no voltage until now: the window starts over"
    # The model.
    MODEL_OUTPUT = "model_output", "the model's output is not finite, or no probability"
    # The connection.
    STALLED = "stalled", "no sample came for `quality.stall_after`"
    STREAM_LOST = "stream_lost", "the stream has ended"
    CONTRACT = "contract", "the stream contradicts the model's contract, so it is refused"
    SEVERAL_STREAMS = "several_streams", "several streams match, so all are refused"
    ABSURD_STREAM = "absurd_stream", "the stream announces more than any amplifier has"
    RELOAD = "reload", "the reloaded config wants another stream"


CONNECTION: frozenset[str] = frozenset(
    {
        Code.STALLED,
        Code.STREAM_LOST,
        Code.CONTRACT,
        Code.SEVERAL_STREAMS,
        Code.ABSURD_STREAM,
        Code.RELOAD,
    }
)
"""About the stream as a whole; the samples that were received do not show it."""


@dataclass(frozen=True, slots=True)
class Reason:
    """Why there is no answer.

    Attributes
    ----------
    code : Code
    text : str
        For people, in a line. May name only the first few of many channels.
    channels : tuple of str
        Labels of all channels that it is about; empty where it is about none in particular.
    """

    code: Code
    text: str
    channels: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.text


def kind(code: str | None, channels: Sequence[str], text: str | None) -> tuple[str | None, ...]:
    """Equal for reasons that are counted as one: those of one code and the same channels.

    Markers of an eegd before there were codes have none: then the words have to be the same.
    """
    return (code, *channels) if code else (None, text)
