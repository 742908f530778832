"""YAML files → validated, frozen objects; a mistake becomes one line that names file and key."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypeVar, get_args

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from daemon.errors import UsageError


class Strict(BaseModel):
    """Base of everything read from YAML: frozen, no unknown keys, no coercion of types."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


Model = TypeVar("Model", bound=Strict)

# YAML has only lists; strictness still holds for what is inside.
Labels = Annotated[tuple[str, ...], Field(strict=False)]


def read_yaml(path: Path, what: str) -> object:
    """The content of a YAML file.

    Raises
    ------
    UsageError
        Missing, unreadable or not YAML; names the file.
    """
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UsageError(f"{what} {path} does not exist") from None
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{what} {path} cannot be read: {error}") from None
    except (yaml.YAMLError, ValueError) as error:  # PyYAML lets a bad date's ValueError through
        raise UsageError(f"{what} {path} is not YAML: {' '.join(str(error).split())}") from None


def validated(kind: type[Model], content: object, where: str) -> Model:
    """``content`` as a ``kind``.

    Raises
    ------
    UsageError
        One line that names the file, each bad key and what is wrong with it.
    """
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        faults = "; ".join(_fault(kind, e["loc"], e["type"], e["msg"]) for e in error.errors())
        raise UsageError(f"{where}: {faults}") from None


def _fault(kind: type[BaseModel], loc: tuple[int | str, ...], code: str, message: str) -> str:
    key = ".".join(str(part) for part in loc)
    if code == "extra_forbidden":
        fields = _fields_at(kind, loc[:-1])
        known = f"; known here: {', '.join(fields)}" if fields else ""
        return f"unknown key {key!r}{known}"
    if not loc:
        return "it must be a mapping of keys to values"
    return f"{key}: {message.removeprefix('Value error, ')}"


def _fields_at(kind: type[BaseModel], loc: tuple[int | str, ...]) -> list[str]:
    for part in loc:
        field = kind.model_fields.get(str(part))
        annotation = field.annotation if field else None
        models = [
            inner
            for inner in (annotation, *get_args(annotation))
            if isinstance(inner, type) and issubclass(inner, BaseModel)
        ]
        if not models:
            return []
        kind = models[0]
    return list(kind.model_fields)
