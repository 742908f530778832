"""Every MATLAB 5 file that SciPy writes passes; one that would bring its reader down does not."""

import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.io
import scipy.sparse

from daemon.errors import UsageError
from daemon.recordings.matlab import check_set

CONTENTS: dict[str, Any] = {
    "text": {"t": "hello", "empty": ""},
    "numbers": {"a": np.arange(6.0).reshape(2, 3), "c": np.ones(4) * 1j, "b": True, "e": []},
    "integers": {f"i{n}": np.ones(5, f"i{n}") for n in (1, 2, 4, 8)},
    "cells": {"c": np.array(["x", "yy", np.array([1.0, 2.0])], object)},
    "structs": {"EEG": {"a": {"b": {"c": [1, 2, {"d": "e"}]}}, "etc": {}}},
    "sparse": {"s": scipy.sparse.csc_matrix(np.eye(50))},
    "samples": {"data": np.random.default_rng(0).normal(size=(32, 5000)).astype("f4")},
}


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("name", CONTENTS)
def test_whole_files_pass_and_cut_ones_do_not(name: str, packed: bool, tmp_path: Path) -> None:
    path = tmp_path / "whole.set"
    scipy.io.savemat(path, CONTENTS[name], do_compression=packed)
    check_set(path)
    whole = path.read_bytes()
    for cut in (1, 100, 130, len(whole) - 9):
        path.write_bytes(whole[:cut])
        with pytest.raises(UsageError, match=rf"\({cut} bytes\) is cut off"):
            check_set(path)


@pytest.mark.parametrize("packed", [False, True])
def test_an_element_of_no_known_type_is_refused(packed: bool, tmp_path: Path) -> None:
    """SciPy looks its type up in a table without looking whether it is there."""
    path = tmp_path / "broken.set"
    scipy.io.savemat(path, {"a": np.arange(100.0)})
    content = path.read_bytes()
    # The tag of the numbers: miDOUBLE, 800 bytes; here a type that was never given out.
    tag = (9).to_bytes(4, "little") + (800).to_bytes(4, "little")
    assert content.count(tag) == 1
    broken = content.replace(tag, (8).to_bytes(4, "little") + tag[4:])
    if packed:
        inner = zlib.compress(broken[128:])
        broken = (
            broken[:128] + (15).to_bytes(4, "little") + len(inner).to_bytes(4, "little") + inner
        )
    path.write_bytes(broken)
    with pytest.raises(UsageError, match="corrupt"):
        check_set(path)


def test_cells_in_cells_without_end_are_refused(tmp_path: Path) -> None:
    """SciPy recurses, on the C stack."""
    nested: Any = np.array([1.0])
    for _ in range(80):
        cell = np.empty(1, object)
        cell[0] = nested
        nested = cell
    path = tmp_path / "deep.set"
    scipy.io.savemat(path, {"a": nested})
    with pytest.raises(UsageError, match="corrupt"):
        check_set(path)
