"""That a recording is refused in one line, which says what it has to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from daemon.errors import UsageError
from daemon.recordings.reading import read_recording


def refused(path: Path, *says: str, **how: Any) -> None:
    with pytest.raises(UsageError) as caught:
        read_recording(path, **how)
    message = str(caught.value)
    assert "\n" not in message
    for part in (str(path), *says):
        assert part in message


def written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path
