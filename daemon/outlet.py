"""Prediction → three LSL streams, and a line for whoever keeps a record.

Every sample's LSL time stamp is the window's end: the time of its last EEG sample on this host's
``local_clock``, never the time of pushing.
"""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Mapping, Sequence

import pylsl

from daemon.records import Prediction

# liblsl drops what it has not sent when an outlet is destroyed.
_LINGER = 0.25


def default_source_id(name: str) -> str:
    """Of the output ``name`` on this host: the same after every restart."""
    return f"eegd-{name}-{socket.gethostname()}"


class Outlet:
    """The daemon's output, open from construction to `close`.

    Parameters
    ----------
    name : str
        Name of the marker stream; the other two add a suffix to it.
    source_id : str
        Of the marker stream; the other two add their suffix to it.
    classes : sequence of str
        In the order of the probabilities.
    description : mapping of str to str
        Goes into each stream's ``desc``.
    record : function of str
        Receives every marker's text, after all three streams have it. Must not block.
    """

    def __init__(
        self,
        name: str,
        source_id: str,
        classes: Sequence[str],
        description: Mapping[str, str],
        record: Callable[[str], object],
    ) -> None:
        self._classes = tuple(classes)
        self._record = record

        def outlet(suffix: str, kind: str, channels: int, fmt: int) -> pylsl.StreamOutlet:
            info = pylsl.StreamInfo(
                name + suffix, kind, channels, pylsl.IRREGULAR_RATE, fmt, source_id + suffix
            )
            _describe(info, self._classes, description, labels=fmt == pylsl.cf_float32)
            return pylsl.StreamOutlet(info)

        self._markers = outlet("", "Markers", 1, pylsl.cf_string)
        self._probabilities = outlet(
            "-probabilities", "Probabilities", len(classes), pylsl.cf_float32
        )
        self._codes = outlet("-codes", "Markers", 1, pylsl.cf_int32)

    def push(self, prediction: Prediction) -> float:
        """Publish; returns the age in seconds: time of pushing minus the window's end."""
        end = prediction.window_end
        age: float = pylsl.local_clock() - end
        marker = marker_json(prediction, age)
        self._markers.push_sample([marker], end)
        if prediction.probabilities is not None:
            self._probabilities.push_sample([*prediction.probabilities.values()], end)
        code = 0 if prediction.label is None else self._classes.index(prediction.label) + 1
        self._codes.push_sample([code], end)
        self._record(marker)
        return age

    def close(self) -> None:
        """Give consumers the time to receive the last sample, then close all three streams."""
        if any(
            outlet.have_consumers() for outlet in (self._markers, self._probabilities, self._codes)
        ):
            time.sleep(_LINGER)
        del self._markers, self._probabilities, self._codes


def marker_json(prediction: Prediction, age: float) -> str:
    """The marker's text; ``age`` in seconds."""
    return json.dumps(
        {
            "sequence": prediction.sequence,
            "status": prediction.status,
            "reason": prediction.reason,
            "code": prediction.code,
            "channels": prediction.channels,
            "label": prediction.label,
            "probabilities": prediction.probabilities,
            "window_start": prediction.window_start,
            "window_end": prediction.window_end,
            "age_ms": round(age * 1e3, 3),
            "filled": prediction.filled,
        }
    )


def _describe(
    info: pylsl.StreamInfo,
    classes: Sequence[str],
    description: Mapping[str, str],
    *,
    labels: bool,
) -> None:
    desc = info.desc()
    for key, value in description.items():
        desc.append_child_value(key, value)
    if labels:
        channels = desc.append_child("channels")
        for label in classes:
            channel = channels.append_child("channel")
            channel.append_child_value("label", label)
            channel.append_child_value("type", "Probability")
    listed = desc.append_child("classes")
    for label in classes:
        listed.append_child_value("class", label)
