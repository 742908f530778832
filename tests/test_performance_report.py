"""A comparison reads well, is valid JSON, and is refused where the markers tell nothing."""

import json
from pathlib import Path

import numpy as np
import pytest

from daemon.errors import UsageError
from daemon.offline.performance_report import compared, told
from daemon.recordings.recording import Recording
from daemon.records import Prediction, StreamDescription

CLASSES = ("rest", "left")
STREAM = StreamDescription("Amp", "EEG", "", "", 100.0, "float32", ("Cz",), ("microvolts",))
SAID = [
    Prediction(n, "ok", None, "left" if n > 7 else "rest", None, n - 2.0, float(n), 0.0)
    for n in range(12)
]


def recording(*markers: tuple[float, str]) -> Recording:
    stamps = np.arange(1200) / 100
    return Recording(Path("s.xdf"), STREAM, np.zeros((1200, 1)), stamps, stamps, markers)


def test_in_words_and_for_machines() -> None:
    markers = ((0.0, "rest"), (5.5, "T1"), (6.0, "\x1b[31mbeep"), (6.5, "\x1b[31mbeep"))
    truth = told(recording(*markers), CLASSES, {"T1": "left"})
    found = compared(SAID, truth, CLASSES, window=2, hop=1)
    assert found.text().splitlines() == [
        "compared       12 windows whose class the markers tell, 12 of them with a label",
        "accuracy       83.3%, balanced 83.3% (chance 50%); 100.0% of the 8 windows within one "
        "class",
        "since change   0-1 s 50.0% of 2, 1-2 s 50.0% of 2, 2-3 s 100.0% of 2, 3-4 s 100.0% of 2, "
        "4-5 s 100.0% of 2, 5-6 s 100.0% of 2",
        "delay          2.5/2.5/2.5/2.5 s to the right class, 2.5/2.5/2.5/2.5 s to it for good "
        "(25%/50%/75%/90% of 1 changes)",
        "information    0.35 bits a decision, 10.50 a minute with one each 2 s (21.00 if each "
        "window were one of its own)",
        "no class       '\ufffd[31mbeep' (2)",
    ]
    content = json.loads(json.dumps(found.as_dict(), allow_nan=False))
    assert content["confusion"] == [[6, 0], [2, 4]]
    assert content["delay_steady"] == {"0.25": 2.5, "0.5": 2.5, "0.75": 2.5, "0.9": 2.5}


def test_what_is_not_known_is_said_and_is_null() -> None:
    truth = told(recording((0.0, "rest")), CLASSES, {})
    found = compared([], truth, CLASSES, window=2, hop=1)
    assert "accuracy       unknown" in found.text()
    assert "delay          unknown" in found.text()
    content = json.loads(json.dumps(found.as_dict(), allow_nan=False))
    assert (content["accuracy"], content["bits_per_minute"]) == (None, None)


def test_markers_that_name_no_class_are_listed() -> None:
    with pytest.raises(UsageError) as error:
        told(recording((0.0, "T1"), (1.0, "T1")), CLASSES, {})
    assert "no marker names a class of the model (rest, left)" in str(error.value)
    assert "markers found: 'T1' (2)" in str(error.value)


def test_a_marker_that_is_nearly_meant_is_named(caplog: pytest.LogCaptureFixture) -> None:
    marks = ((0.0, "S  1"), (1.0, "Rest"), (2.0, "other"))
    with pytest.raises(UsageError) as error:
        told(recording(*marks), CLASSES, {"S 1": "left"})
    message = str(error.value)
    # As they have to be typed.
    assert "markers found: 'S  1' (1), 'Rest' (1), 'other' (1)" in message
    assert message.endswith(
        "; 'S  1' is not 'S 1': blanks and case count; 'Rest' is not 'rest': blanks and case count"
    )
    truth, others = told(recording(*marks), CLASSES, {"S  1": "left"})
    assert [interval.label for interval in truth] == ["left"]
    assert dict(others) == {"Rest": 1, "other": 1}
    assert "the marker 'Rest' is not 'rest'" in caplog.text
