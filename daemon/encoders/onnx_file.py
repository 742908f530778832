"""An ONNX file, opened without letting it reach anything outside of its folder.

Rules that hold here:

- Only operators of the ONNX standard: others bring code of their own.
- Weights that lie in files beside the model lie in its folder, under plain names. They are read
  here, once, and hashed with it; ONNX Runtime gets bytes, and no path to follow.
- The size of all that is read is limited, as that of a Keras file.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from daemon.encoders.bundle import Seal
from daemon.encoders.description import Refused
from daemon.text import clean

MAX_FILE = (1 << 31) - (1 << 20)  # what a protocol buffer can hold, less its own frame

_STANDARD = ("", "ai.onnx")
_AGAIN = "export it again with torch.onnx.export"
_RANDOM = {"RandomNormal", "RandomUniform", "RandomNormalLike", "RandomUniformLike"}
_RANDOM |= {"Bernoulli", "Multinomial"}


def opened(path: Path, seal: Seal | None = None) -> tuple[Any, str]:
    """Read and check an ONNX file, of a bundle with ``seal``.

    Returns
    -------
    model : onnx.ModelProto
        With all weights in it.
    sha256 : str
        Of the file, or of it and the files beside it, in hexadecimal digits.

    Raises
    ------
    Refused
        It is damaged, too large, uses operators of others, or weights from elsewhere.
    OSError
        A file cannot be read.
    UsageError
        It is not the file that the bundle was sealed with.
    ImportError
        onnx is not installed.
    """
    import onnx
    from google.protobuf.message import DecodeError, Error

    content = _read(path, MAX_FILE)
    digest = hashlib.sha256(content)
    if seal is not None:
        seal.require(path.name, digest.hexdigest())
    try:
        model = onnx.load_model_from_string(content)
    except (DecodeError, ValueError, RuntimeError):
        raise Refused(f"it is damaged or no ONNX model; {_AGAIN}") from None
    _require_standard(model)
    left = MAX_FILE - len(content)
    beside: dict[str, bytes] = {}
    for tensor in _tensors(model):
        if tensor.data_location == onnx.TensorProto.EXTERNAL:
            left = _embed(tensor, path.parent, beside, left)
    for name in sorted(beside):
        digest.update(hashlib.sha256(beside[name]).digest())
    if _holds_external(model):
        raise Refused(f"it has weights in another file where nobody looks for them; {_AGAIN}")
    try:
        onnx.checker.check_model(model)
    except (onnx.checker.ValidationError, Error, ValueError, RuntimeError) as error:
        gist = clean(str(error), 200)
        raise Refused(f"it is no valid ONNX model ({gist}); {_AGAIN}") from None
    return model, digest.hexdigest()


def _read(path: Path, limit: int) -> bytes:
    with path.open("rb") as file:
        content = file.read(limit + 1)
    if len(content) > limit:
        raise Refused("it is larger than 2 GiB")
    return content


def _require_standard(model: Any) -> None:
    """Refuse operators that are not ONNX's own, in the graph, its branches and its functions."""
    if model.functions:
        raise Refused(f"it defines functions of its own; {_AGAIN}")
    for imported in model.opset_import:
        if imported.domain not in _STANDARD and _used(model, imported.domain):
            raise Refused(
                f"it uses operators of {imported.domain[:60]!r}, which are not ONNX's own; rebuild "
                "it from standard layers and export it again"
            )
    for graph in _graphs(model.graph):
        for node in graph.node:
            if node.op_type in _RANDOM or any(
                attribute.name == "training_mode" and attribute.i for attribute in node.attribute
            ):
                raise Refused(
                    f"its node {node.name[:60]!r} ({node.op_type[:60]}) draws lots, so that its "
                    "answer would differ each time: call net.eval() and export it again"
                )
            if node.domain not in _STANDARD:
                raise Refused(
                    f"its node {node.name[:60]!r} is an operator of {node.domain[:60]!r}, not "
                    "ONNX's own; rebuild it from standard layers and export it again"
                )


def _used(model: Any, domain: str) -> bool:
    return any(node.domain == domain for graph in _graphs(model.graph) for node in graph.node)


def _graphs(graph: Any) -> Iterator[Any]:
    """A graph and those of its branches and loops."""
    waiting = [graph]
    while waiting:
        one = waiting.pop()
        yield one
        for node in one.node:
            for attribute in node.attribute:
                waiting += [attribute.g] if attribute.HasField("g") else []
                waiting += attribute.graphs


def _tensors(model: Any) -> Iterator[Any]:
    """Everything that holds numbers."""
    for graph in _graphs(model.graph):
        yield from graph.initializer
        for sparse in graph.sparse_initializer:
            yield from (sparse.values, sparse.indices)
        for node in graph.node:
            for attribute in node.attribute:
                yield from [attribute.t] if attribute.HasField("t") else []
                yield from attribute.tensors
                sparse = [attribute.sparse_tensor] if attribute.HasField("sparse_tensor") else []
                for one in [*sparse, *attribute.sparse_tensors]:
                    yield from (one.values, one.indices)


def _holds_external(message: Any) -> bool:
    """Whether anything in the model, wherever it stands, still points to another file."""
    for field, value in message.ListFields():
        if field.name == "external_data" or (field.name == "data_location" and value):
            return True
        if field.message_type is None:
            continue
        values = value if field.is_repeated else [value]
        if any(map(_holds_external, values)):
            return True
    return False


def _embed(tensor: Any, folder: Path, beside: dict[str, bytes], left: int) -> int:
    """Put the content of a tensor that lies in another file into the model; bytes still allowed."""
    where = {entry.key: entry.value for entry in tensor.external_data}
    name = where.get("location", "")
    if name not in beside:
        if not name or name != Path(name).name or (folder / name).is_symlink():
            raise Refused(
                f"its weights {tensor.name[:60]!r} lie in {name[:60]!r}, which is no file beside "
                f"it; {_AGAIN} into one folder"
            )
        if not (folder / name).is_file():
            raise Refused(f"its weights lie in {name[:60]!r}, which is not beside it: copy it too")
        beside[name] = _read(folder / name, left)
    content = beside[name]
    try:
        first = int(where.get("offset", 0))
        count = int(where.get("length", len(content) - first))
    except ValueError:
        first = count = -1
    if first < 0 or count < 0 or first + count > len(content):
        raise Refused(f"its weights {tensor.name[:60]!r} reach beyond the end of {name[:60]!r}")
    left -= count  # each tensor has a copy of its own
    if left < 0:
        raise Refused("it is larger than 2 GiB")
    tensor.raw_data = content[first : first + count]
    tensor.data_location = type(tensor).DEFAULT
    del tensor.external_data[:]
    return left


def parameters(tensors: Iterable[Any]) -> int:
    """How many numbers ``tensors`` hold."""
    total = 0
    for tensor in tensors:
        count = 1
        for length in tensor.dims:
            count *= length
        total += count
    return total
