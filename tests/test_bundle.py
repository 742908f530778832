"""A bundle is there whole or not at all, and a changed one is refused with what to do."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from daemon.contract import Contract
from daemon.encoders import bundle
from daemon.errors import UsageError
from daemon.validation import read_yaml, validated

FILES = {"model.keras": "weights", "contract.yaml": "window: 3", "report.json": "{}"}


def _written(folder: Path) -> Path:
    with bundle.written(folder) as inside:
        for name, text in {**FILES, "report.md": "# page"}.items():
            (inside / name).write_text(text)
        assert not folder.exists()
    return folder


def test_a_bundle_is_there_at_once_and_verified(tmp_path: Path):
    folder = _written(tmp_path / "b")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["b"]
    assert sorted(path.name for path in folder.iterdir()) == sorted(
        [*FILES, "manifest.json", "report.md"]
    )
    sha256 = bundle.verified(folder)
    # What is in it decides the hash; where it is, and what may be edited, does not.
    moved = folder.rename(tmp_path / "moved")
    (moved / "report.md").write_text("# edited")
    assert bundle.verified(moved) == sha256 == bundle.verified(_written(tmp_path / "again"))


def test_a_failure_leaves_nothing(tmp_path: Path):
    def killed() -> None:
        with bundle.written(tmp_path / "b") as inside:
            (inside / "model.keras").write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        killed()
    assert list(tmp_path.iterdir()) == []


def test_what_is_there_is_never_written_over(tmp_path: Path):
    _written(tmp_path / "b")
    with pytest.raises(UsageError, match="b exists already: name a new folder"):
        _written(tmp_path / "b")
    with pytest.raises(UsageError, match="there is no folder"):
        _written(tmp_path / "none/b")


@pytest.mark.parametrize("name", FILES)
def test_missing_cut_and_changed_files_are_named(tmp_path: Path, name: str):
    folder = _written(tmp_path / "b")
    content = (folder / name).read_bytes()
    for changed in (content[:-1], content + b"\n", content[::-1] + b"."):
        (folder / name).write_bytes(changed)
        with pytest.raises(UsageError, match=f"is corrupt: {name} is not the file that manifest"):
            bundle.verified(folder)
    (folder / name).unlink()
    with pytest.raises(UsageError, match=f"is not whole: {name} is missing; copy or train it anew"):
        bundle.verified(folder)


def test_a_damaged_manifest_is_refused_and_none_is_allowed(tmp_path: Path):
    folder = _written(tmp_path / "b")
    manifest = folder / "manifest.json"
    whole = json.loads(manifest.read_text())
    outside = {**whole["files"], "../secret": "0" * 64}
    for text in (
        "",
        "[]",
        "{" * 5000,
        json.dumps({"files": whole["files"]}),
        json.dumps({**whole, "files": {"model.keras": whole["files"]["model.keras"]}}),
        json.dumps({"sha256": bundle._content_hash(outside), "files": outside}),
    ):
        manifest.write_text(text)
        with pytest.raises(UsageError, match=r"is corrupt: manifest\.json is damaged"):
            bundle.verified(folder)
    manifest.unlink()
    assert bundle.verified(folder) is None


def test_a_contract_is_read_back_as_it_was(tmp_path: Path):
    contract = Contract.model_validate(
        {
            "sample_rate": 160,
            "window": 640,
            "channels": ["C3", "Müller"],
            "classes": ["no", "yes"],
            "temperature": 1.2345678901234567,
            "conditioning": [
                {"highpass": 0.5},
                {"reference": "average"},
                {"zscore": {"mean": [0.1, 1e-17], "std": [1 / 3, 2.0]}},
            ],
        }
    )
    path = tmp_path / "contract.yaml"
    path.write_text(bundle.contract_text(contract), encoding="utf-8")
    assert validated(Contract, read_yaml(path, "contract"), "here") == contract
