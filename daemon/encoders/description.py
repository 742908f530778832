"""The parts of a model file's description, and the verdict on one that cannot be taken."""

from __future__ import annotations

from typing import Any

Entry = dict[str, Any]

MAX_DESCRIPTION = 16 * 2**20  # bytes

SAVE_AGAIN = "save it again with model.save('model.keras')"
BROKEN = f"it is damaged or no Keras model; {SAVE_AGAIN}"
REBUILD = "rebuild the model with keras layers only and save it again"


class Refused(ValueError):  # noqa: N818 - a verdict on a file, not a failure of this program
    """What is wrong with a model file, without its name: a phrase for one line."""


def keras_object(module: str, kind: str, config: Entry) -> Entry:
    """An object in the description that Keras gets."""
    return {"module": module, "class_name": kind, "config": config, "registered_name": None}


def plain(value: object, where: str) -> object:
    """``value``, if it is nothing but numbers, text, lists and mappings of them.

    Raises
    ------
    Refused
    """
    if isinstance(value, list):
        return [plain(item, where) for item in value]
    if isinstance(value, dict):
        if "class_name" in value:
            kind = str(value["class_name"])[:60]
            raise Refused(f"{where} holds an object of class {kind!r}; {REBUILD}")
        return {key: plain(item, where) for key, item in value.items()}
    return value


def entry_of(value: object) -> Entry:
    """``value`` as an object's description with ``class_name`` and ``config``.

    Raises
    ------
    Refused
    """
    if (
        not isinstance(value, dict)
        or not isinstance(value.get("class_name"), str)
        or "config" not in value
    ):
        raise Refused("its description is not one of Keras layers; save it with model.save()")
    return value


def in_words(entry: Entry) -> str:
    """The layer in a message; its names come from outside, so quoted and short."""
    config = entry["config"]
    name = entry.get("name") or (config.get("name") if isinstance(config, dict) else None)
    called = f"{name[:60]!r} " if isinstance(name, str) else ""
    return f"layer {called}of class {entry['class_name'][:60]!r}"


def text(value: object, where: str) -> str:
    """``value``, if it is text.

    Raises
    ------
    Refused
    """
    if not isinstance(value, str):
        raise Refused(f"{where} has a name that is not text")
    return value
