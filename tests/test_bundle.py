"""A bundle is there whole or not at all, and a changed one is refused with what to do."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from daemon.contract import Contract
from daemon.encoders import bundle, container, onnx_file
from daemon.encoders.inspection import Refused
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
    seal = bundle.verified(folder)
    assert seal is not None
    # What is in it decides the hash; where it is, and what may be edited, does not.
    moved = folder.rename(tmp_path / "moved")
    (moved / "report.md").write_text("# edited")
    for other in (moved, _written(tmp_path / "again")):
        found = bundle.verified(other)
        assert found is not None
        assert found.sha256 == seal.sha256


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


def _read(folder: Path, into: Path) -> None:
    """As `daemon.encoders.loading.load` does: the model is no Keras file, which is seen last."""
    seal = bundle.verified(folder)
    with pytest.raises(Refused):
        container.opened(folder / "model.keras", into, seal=seal)


@pytest.mark.parametrize("name", FILES)
def test_missing_cut_and_changed_files_are_named(tmp_path: Path, name: str):
    folder = _written(tmp_path / "b")
    _read(folder, tmp_path)
    content = (folder / name).read_bytes()
    for changed in (content[:-1], content + b"\n", content[::-1] + b"."):
        (folder / name).write_bytes(changed)
        with pytest.raises(UsageError, match=f"is corrupt: {name} is not the file that manifest"):
            _read(folder, tmp_path)
    (folder / name).unlink()
    with pytest.raises(UsageError, match=f"is not whole: {name} is missing; copy or train it anew"):
        bundle.verified(folder)


def test_an_onnx_model_is_held_against_its_seal(tmp_path: Path):
    pytest.importorskip("onnx", reason="needs the extra 'onnx'")
    path = tmp_path / "model.onnx"
    path.write_bytes(b"changed")
    with pytest.raises(UsageError, match=r"is corrupt: model\.onnx is not the file that manifest"):
        onnx_file.opened(path, bundle.Seal(tmp_path, {"model.onnx": "0" * 64}))


def test_the_model_is_hashed_where_it_is_loaded_and_nowhere_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    folder = _written(tmp_path / "b")
    hashed = []
    monkeypatch.setattr(bundle, "_sha256", lambda path: hashed.append(path.name))
    monkeypatch.setattr(bundle.Seal, "require", lambda *_: None)
    bundle.verified(folder)
    assert sorted(hashed) == ["contract.yaml", "report.json"]


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
