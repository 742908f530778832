from pathlib import Path

import pytest

from daemon.config import Config, load_config
from daemon.errors import UsageError


def write(folder: Path, text: str) -> Path:
    path = folder / "config.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_only_the_model_is_needed(tmp_path: Path) -> None:
    config = load_config(write(tmp_path, "model: {path: my.keras}"))
    assert config.model.path == tmp_path / "my.keras"
    assert config.window.hop == 160
    assert config.stream.type == "EEG"
    assert config.quality.stall_after == 1.0


def test_relative_paths_start_at_the_configs_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path, "model: {path: a/b}\noutput: {log: out.jsonl}")
    monkeypatch.chdir(tmp_path.parent)
    config = load_config(path.relative_to(tmp_path.parent))
    assert config.model.path == tmp_path / "a/b"
    assert config.output.log == tmp_path / "out.jsonl"
    absolute = load_config(write(tmp_path, "model: {path: /models/m.keras}"))
    assert absolute.model.path == Path("/models/m.keras")


def test_a_section_with_everything_commented_out_keeps_its_defaults(tmp_path: Path) -> None:
    assert load_config(write(tmp_path, "model: {path: m}\nquality:\n")).quality.max_filled == 0.02


def test_the_repositorys_config_is_valid_and_lists_every_key() -> None:
    path = Path(__file__).parents[1] / "config.yaml"
    config = load_config(path)
    text = path.read_text(encoding="utf-8")
    for section, field in Config.model_fields.items():
        assert f"{section}:" in text
        for key in field.annotation.model_fields:  # type: ignore[union-attr]
            assert f"{key}:" in text, f"{section}.{key}"
    assert config.model.path.exists()


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("", "model: is missing"),
        ("window: {hop: 1}", "model: is missing"),
        ("model: my.bundle", "model: must be a mapping of keys to values"),
        ("model: {path: null}", "model.path: must be a path"),
        ("model: {path: m}\nwindow: {hop: 1}\nwindow: {hop: 2}", "3 has the key 'window' a second"),
        ("model: {path: m, path: n}", "line 1 has the key 'path' a second time"),
        ("- a", "mapping"),
        ("model: {path: m}\nwindow: {hop: '160'}", "window.hop"),
        ("model: {path: m}\nwindow: {hop: 0}", "window.hop"),
        ("model: {path: m}\nwindow: {hop: true}", "window.hop"),
        ("model: {path: m}\nwindow: {hop: 1000000000000}", "window.hop"),
        ("model: {path: 5}", "model.path"),
        ("model: {path: m}\nwindows: {hop: 1}", "unknown key 'windows'; known here: model"),
        ("model: {path: m}\nengine: {kind: fast}", "engine.kind"),
        ("model: {path: m}\ndecision: {threshold: 1.5}", "decision.threshold"),
        ("model: {path: m}\nquality: {stall_after: .inf}", "quality.stall_after"),
        ("model: {path: m}\nmetrics: {port: 70000}", "metrics.port"),
        ("model: {path: [", "not YAML"),
        ("model: !!python/object/apply:os.system [echo]", "not YAML"),
    ],
)
def test_a_mistake_is_one_line_with_file_and_key(tmp_path: Path, text: str, part: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(UsageError) as caught:
        load_config(path)
    assert str(path) in str(caught.value)
    assert part in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_and_a_binary_one(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="does not exist"):
        load_config(tmp_path / "none.yaml")
    (tmp_path / "config.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match="cannot be read"):
        load_config(tmp_path / "config.yaml")
