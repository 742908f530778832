"""Configs and contracts: whatever is written there, it loads or is refused in one line."""

import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from mutation import FUZZ, TREES, grafted, mutated

from daemon.conditioning import Conditioning
from daemon.config import load_config
from daemon.contract import Contract
from daemon.errors import UsageError
from daemon.training.settings import load_training
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
    "conditioning": [
        {"resample": True},
        {"highpass": 0.5},
        {"lowpass": {"frequency": 60, "order": 4}},
        {"bandpass": [1, 40]},
        {"notch": {"frequency": 50, "q": 30}},
        {"reference": ["M1", "Cz"]},
        {"zscore": {"mean": [0.5, 1, -2], "std": [10, 20, 5.5]}},
    ],
}
TRAINING = Path(__file__).parents[2] / "examples/eegbci.yaml"
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


def conditioned(contract: Contract) -> None:
    """Whatever a contract asks for, its filters can be made and give numbers."""
    labels = (*contract.channels, *contract.referred)
    conditioning = Conditioning(
        contract.conditioning, contract.sample_rate, labels, len(contract.channels)
    )
    found, _ = conditioning.apply(np.full((3, len(labels)), 1e5, np.float32))
    assert np.isfinite(found).all()
    assert found.shape == (3, len(contract.channels))


@FUZZ
@given(written(CONTRACT, dumped(CONTRACT)))
def test_contract(count: Counter[str], path: Path, content: bytes) -> None:
    def load(path: Path) -> None:
        conditioned(validated(Contract, read_yaml(path, "contract"), str(path)))

    check(count, load, path, content)


NUMBERS = st.sampled_from([0.5, 1, 2, 30, 50, 79.9, 80, 0, -1, 1e-3, 1e-9]) | st.floats()
STEPS = st.lists(
    st.just({"resample": True})
    | st.builds(lambda kind, x: {kind: x}, st.sampled_from(["highpass", "lowpass"]), NUMBERS)
    | st.builds(
        lambda kind, x, order: {kind: {"frequency": x, "order": order}},
        st.sampled_from(["highpass", "lowpass"]),
        NUMBERS,
        st.integers(0, 9),
    )
    | st.builds(lambda low, high: {"bandpass": [low, high]}, NUMBERS, NUMBERS)
    | st.builds(lambda x, q: {"notch": {"frequency": x, "q": q}}, NUMBERS, NUMBERS)
    | st.sampled_from([{"reference": "average"}, {"reference": ["M1", "Cz"]}])
    | st.builds(
        lambda mean, std: {"zscore": {"mean": mean, "std": std}},
        st.lists(NUMBERS, min_size=2, max_size=3),
        st.lists(NUMBERS, min_size=3, max_size=3),
    ),
    max_size=3,
)
RATES = st.sampled_from([160, 512.0, 5000]) | st.floats(5e-324, 1e6)


@FUZZ
@given(STEPS, RATES)
def test_conditioning(count: Counter[str], path: Path, steps: object, rate: float) -> None:
    """Numbers at and beyond the edges of what filters can be."""

    def load(path: Path) -> None:
        conditioned(validated(Contract, read_yaml(path, "contract"), str(path)))

    check(count, load, path, dumped({**CONTRACT, "sample_rate": rate, "conditioning": steps}))


@FUZZ
@given(written(yaml.safe_load(TRAINING.read_text("utf-8")), TRAINING.read_bytes()))
def test_training(count: Counter[str], path: Path, content: bytes) -> None:
    check(count, load_training, path, content)
