"""A model is held against its contract, and the line that would fit is said."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import keras
import pytest

from daemon.contract import Contract
from daemon.encoders.keras_network import KerasNetwork
from daemon.encoders.shapes import check_fit
from daemon.errors import UsageError
from daemon.layout import LAYOUTS, PER_CHANNEL, STANDARD, Layout, layout_text, shape_of

STEPS, CHANNELS, CLASSES = 20, 3, 4


def contract(classes: int = CLASSES, channels: int = CHANNELS, **more: Any) -> Contract:
    return Contract(
        sample_rate=160.0,
        window=more.pop("window", STEPS),
        channels=tuple(f"C{n}" for n in range(channels)),
        classes=tuple(f"class{n}" for n in range(classes)),
        **more,
    )


def fit(model: keras.Model, to: Contract) -> Layout:
    return check_fit(KerasNetwork(model), to)


def model_for(
    *shapes: tuple[int | None, ...],
    outputs: int = CLASSES,
    dtype: str = "float32",
    batch: Any = None,
    activation: str | None = None,
) -> keras.Model:
    eeg = [keras.Input(batch_shape=(batch, *shape), dtype=dtype) for shape in shapes]
    flat = [i if None in i.shape[1:] else keras.layers.Flatten()(i) for i in eeg]
    flat = [keras.layers.GlobalAveragePooling1D()(i) if i.ndim == 3 else i for i in flat]
    merged = keras.layers.Concatenate()(flat) if len(flat) > 1 else flat[0]
    output = keras.layers.Dense(outputs, activation=activation)(merged)
    return keras.Model(eeg if len(eeg) > 1 else eeg[0], output)


def after_input(layer: Any, shape: tuple[int, ...] = (STEPS, CHANNELS)) -> keras.Model:
    eeg = keras.Input(shape)
    return keras.Model(eeg, layer(eeg))


def test_accepted_inputs() -> None:
    assert fit(model_for((STEPS, CHANNELS)), contract()) == STANDARD
    assert fit(model_for((None, CHANNELS)), contract()) == STANDARD
    assert fit(model_for((STEPS, CHANNELS), batch=1), contract()) == STANDARD
    assert fit(model_for(*[(STEPS, 1)] * CHANNELS), contract()) == PER_CHANNEL
    assert fit(model_for(*[(None, 1)] * CHANNELS), contract()) == PER_CHANNEL
    assert fit(model_for((STEPS, 1)), contract(channels=1)) == STANDARD


def test_one_sigmoid_is_enough_for_two_classes() -> None:
    eeg = keras.Input((STEPS, CHANNELS))
    logit = keras.layers.Dense(1)(keras.layers.LSTM(4)(eeg))
    own = keras.layers.Dense(1, activation="sigmoid")(keras.layers.LSTM(4)(eeg))
    two = contract(classes=2)
    for output in (own, keras.layers.Activation("sigmoid")(logit), keras.ops.sigmoid(logit)):
        assert fit(keras.Model(eeg, output), two) == STANDARD
    nested = keras.Model(eeg, keras.Model(eeg, own)(eeg))
    assert fit(nested, two) == STANDARD
    tanh = keras.layers.Activation("tanh")(logit)
    for output, said in ((logit, "linear"), (tanh, "tanh"), (keras.layers.LSTM(1)(eeg), "tanh")):
        with pytest.raises(UsageError, match=f"one output is {said}, no probability"):
            fit(keras.Model(eeg, output), two)


def test_one_output_for_each_of_two_classes_is_taken() -> None:
    assert fit(model_for((STEPS, CHANNELS), outputs=2), contract(classes=2)) == STANDARD


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (
            lambda: model_for((STEPS, CHANNELS - 1)),
            "the model takes 1 input (None, 20, 2); the contract says 20 steps of 3 channels",
        ),
        (lambda: model_for((STEPS + 1, CHANNELS)), "takes 1 input (None, 21, 3); the contract"),
        (lambda: model_for(*[(STEPS, 1)] * 2), "takes 2 inputs (None, 20, 1); the contract"),
        (lambda: model_for(*[(STEPS, 1)] * 4), "takes 4 inputs (None, 20, 1); the contract"),
        (
            lambda: model_for((STEPS, 1), (STEPS, 1), (STEPS, 2)),
            "takes 3 inputs (None, 20, 1), (None, 20, 2); the contract",
        ),
        (lambda: model_for((STEPS * CHANNELS + 1,)), "takes 1 input (None, 61); the contract"),
        (lambda: model_for((STEPS, CHANNELS), outputs=6), "gives 1 output (None, 6); the contract"),
        (lambda: model_for((STEPS, CHANNELS), outputs=1), "says 4 classes (class0, class1, class2"),
        (
            lambda: after_input(keras.layers.LSTM(CLASSES, return_sequences=True)),
            "gives 1 output (None, 20, 4); the contract",
        ),
        (
            lambda: after_input(keras.layers.LSTM(CLASSES, return_state=True)),
            "gives 3 outputs (None, 4); the contract",
        ),
        (lambda: model_for((STEPS, CHANNELS), batch=8), "batch size is fixed to 8"),
        (
            lambda: after_input(keras.layers.Rescaling(1.0), shape=()),
            "takes 1 input (None,);",
        ),
        (lambda: keras.Sequential([keras.layers.LSTM(4)]), "no fixed input shape"),
    ],
)
def test_what_does_not_fit_is_refused_with_both_sides(
    model: Callable[[], keras.Model], said: str
) -> None:
    with pytest.raises(UsageError, match=re.escape(said)):
        fit(model(), contract())


def test_inputs_that_are_not_float_are_refused() -> None:
    eeg = keras.Input((STEPS, CHANNELS), dtype="int32")
    model = keras.Model(eeg, keras.layers.LSTM(CLASSES)(keras.layers.Rescaling(1.0)(eeg)))
    with pytest.raises(UsageError, match="takes int32"):
        fit(model, contract())


OTHERS = [layout for layout in LAYOUTS if layout != STANDARD]


@pytest.mark.parametrize("layout", LAYOUTS, ids=layout_text)
def test_a_layout_that_is_said_is_taken(layout: Layout) -> None:
    model = model_for(shape_of(layout, STEPS, CHANNELS))
    assert fit(model, contract(layout=list(layout))) == layout


@pytest.mark.parametrize("layout", OTHERS[:5], ids=layout_text)
def test_a_shape_that_fits_one_layout_is_refused_with_the_line_to_add(layout: Layout) -> None:
    with pytest.raises(UsageError) as refused:
        fit(model_for(shape_of(layout, STEPS, CHANNELS)), contract())
    assert str(refused.value).endswith(f"contract layout: {layout_text(layout)}") or (
        str(refused.value).endswith(f"contract: layout: {layout_text(layout)}")
    )


def test_a_shape_that_fits_several_layouts_is_refused_with_all_of_them() -> None:
    both = re.escape("layout: [steps * channels] or layout: [channels * steps]")
    with pytest.raises(UsageError, match=both):
        fit(model_for((STEPS * CHANNELS,)), contract())
    with pytest.raises(UsageError, match=re.escape("layout: [channels, steps, 1] or layout: [st")):
        fit(model_for((8, 8, 1)), contract(window=8, channels=8))


def test_a_layout_that_does_not_fit_is_refused_with_the_one_that_does() -> None:
    said = contract(layout=["channels", "steps", 1])
    with pytest.raises(UsageError, match=re.escape("in the layout [channels, steps, 1]: remove")):
        fit(model_for((STEPS, CHANNELS)), said)
    with pytest.raises(UsageError, match=re.escape("write layout: [1, channels, steps] instead")):
        fit(model_for((1, CHANNELS, STEPS)), said)
    with pytest.raises(UsageError, match=re.escape("so one input (None, 3, 20, 1)")):
        fit(model_for((STEPS, CHANNELS + 1)), said)
    with pytest.raises(UsageError, match="is for one input: remove it"):
        fit(model_for(*[(STEPS, 1)] * CHANNELS), said)


def test_swapped_axes_are_explained_and_for_a_recurrent_model_no_way_is_shown() -> None:
    lstm = after_input(keras.layers.LSTM(CLASSES), shape=(CHANNELS, STEPS))
    with pytest.raises(UsageError) as refused:
        fit(lstm, contract())
    assert "swaps the axes" in str(refused.value)
    assert "layout" not in str(refused.value)
    with pytest.raises(UsageError, match=re.escape("so, add to its contract: layout: [channels, ")):
        fit(model_for((CHANNELS, STEPS)), contract())
    # What is said is run.
    assert fit(lstm, contract(layout=["channels", "steps"])) == ("channels", "steps")
    with pytest.raises(UsageError, match=re.escape("input_shape=(20, 1) and retrain")):
        fit(model_for(*[(1, STEPS)] * CHANNELS), contract())


def test_logits_are_taken_where_they_are_said_and_probabilities_are_none() -> None:
    two = contract(classes=2, output="logits")
    assert fit(model_for((STEPS, CHANNELS), outputs=1), two) == STANDARD
    assert fit(model_for((STEPS, CHANNELS), outputs=2), two) == STANDARD
    for outputs, activation in ((1, "sigmoid"), (2, "softmax")):
        model = model_for((STEPS, CHANNELS), outputs=outputs, activation=activation)
        with pytest.raises(UsageError, match=f"ends in a {activation}.*output: probabilities"):
            fit(model, two)
