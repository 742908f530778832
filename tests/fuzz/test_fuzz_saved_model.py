"""SavedModels: broken notes, tables and graphs of variables. Nothing but a refusal."""

import json
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
import tf_keras
from hypothesis import given
from hypothesis import strategies as st
from mutation import FUZZ, grafted, mutated
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel
from tensorflow.python.keras.protobuf.saved_metadata_pb2 import SavedMetadata

Run = Callable[[str, Path], tuple[str, str]]

METADATA, GRAPH = "keras_metadata.pb", "saved_model.pb"
INDEX, DATA = "variables/variables.index", "variables/variables.data-00000-of-00001"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("whole") / "saved"
    eeg = tf_keras.Input((20, 3))
    lstm = tf_keras.layers.Bidirectional(tf_keras.layers.LSTM(2))(eeg)
    tf_keras.Model(eeg, tf_keras.layers.Dense(2)(lstm)).save(folder, save_format="tf")
    return {name: (folder / name).read_bytes() for name in (METADATA, INDEX, DATA)}


@FUZZ
@given(st.data())
def test_saved_model(
    count: Counter[str],
    tmp_path_factory: pytest.TempPathFactory,
    worker: Run,
    whole: dict[str, bytes],
    data: st.DataObject,
) -> None:
    files = dict(whole)
    kind = data.draw(st.sampled_from([METADATA, INDEX, DATA, "note", GRAPH]))
    metadata = SavedMetadata.FromString(files[METADATA])
    if kind in files:
        files[kind] = data.draw(mutated(files[kind]))
    else:
        note = json.dumps(data.draw(grafted(json.loads(metadata.nodes[0].metadata))))
        metadata.nodes[0].metadata = note.encode("utf-8", "replace").decode()
        if kind == "note":
            files[METADATA] = metadata.SerializeToString()
        else:
            del files[METADATA]
            graph = SavedModel()
            nodes = graph.meta_graphs.add().object_graph_def.nodes
            nodes.add().user_object.metadata = metadata.nodes[0].metadata
            files[GRAPH] = data.draw(
                st.just(graph.SerializeToString()) | mutated(graph.SerializeToString())
            )
    folder = tmp_path_factory.getbasetemp() / "saved"
    shutil.rmtree(folder, ignore_errors=True)
    for name, content in {GRAPH: b"", **files}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    outcome, text = worker("model", folder)
    count[outcome] += 1
    assert outcome != "bug", text
