"""Where the recordings and files of other programs lie that tests may use; none of them is ours."""

from __future__ import annotations

from pathlib import Path

import pytest

SHARED = Path(__file__).parents[2] / "shared"
DATA = SHARED / "data"
CASES = SHARED / "cases"

needs_data = pytest.mark.skipif(
    not DATA.is_dir(), reason="the real recordings are not beside the repository"
)
needs_cases = pytest.mark.skipif(
    not CASES.is_dir(), reason="the files of other programs are not beside the repository"
)
