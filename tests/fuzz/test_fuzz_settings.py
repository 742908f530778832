"""Configs and contracts: whatever is written there, it loads or is refused in one line."""

import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from mutation import FUZZ, TREES, grafted, mutated

from daemon.config import load_config
from daemon.contract import Contract
from daemon.errors import UsageError
from daemon.validation import read_yaml, validated

SECONDS = 30.0

CONFIG = Path(__file__).parents[2] / "config.yaml"
CONTRACT = {
    "sample_rate": 160,
    "window": 15360,
    "channels": ["Fp1", "AF3", "Cz"],
    "unit": "microvolts",
    "classes": ["rest", "left_fist"],
    "temperature": 1.0,
    "conditioning": [],
}
WHOLE = {**yaml.safe_load(CONFIG.read_text(encoding="utf-8"))}
WHOLE["model"] = {"path": "m.keras", "contract": CONTRACT}
PARTS = list("[]{}:,-&*!|>'\"%@`#?~ \n\t")
PARTS += ["&a ", "*a ", "!!int ", "!!float ", "<<: ", "---\n", "...\n", "a", "model", "0x_", "0b"]
PARTS += ["2001-99-99", "1e999", ".nan", "1:59:59.5", ": ", "- ", "\n  "]
YAML_PARTS = st.lists(st.sampled_from(PARTS), max_size=30).map("".join)


def dumped(tree: object) -> bytes:
    return yaml.safe_dump(tree, allow_unicode=True).encode("utf-8", "replace")


def written(whole: object, text: bytes) -> st.SearchStrategy[bytes]:
    return st.one_of(
        grafted(whole).map(dumped),
        grafted(whole).map(dumped),
        TREES.map(dumped),
        mutated(text),
        YAML_PARTS.map(str.encode),
        st.binary(max_size=60),
    )


def check(count: Counter[str], load: Callable[[Path], object], path: Path, content: bytes) -> None:
    path.write_bytes(content)
    begin = time.monotonic()
    said = None
    try:
        load(path)
    except UsageError as error:
        said = str(error)
    count["ok" if said is None else "refused"] += 1
    assert said is None or (said.isprintable() and len(said) < 20_000), said
    assert time.monotonic() - begin < SECONDS


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz") / "written.yaml"


@FUZZ
@given(written(WHOLE, CONFIG.read_bytes()))
def test_config(count: Counter[str], path: Path, content: bytes) -> None:
    check(count, load_config, path, content)


@FUZZ
@given(written(CONTRACT, dumped(CONTRACT)))
def test_contract(count: Counter[str], path: Path, content: bytes) -> None:
    def load(path: Path) -> Contract:
        return validated(Contract, read_yaml(path, "contract"), str(path))

    check(count, load, path, content)
