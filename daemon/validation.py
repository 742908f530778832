"""YAML files → validated, frozen objects; a mistake becomes one line that names file and key."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, TypeVar, get_args

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from daemon.errors import UsageError
from daemon.mistakes import mistake, written
from daemon.text import LENGTH, clean


class Strict(BaseModel):
    """Base of everything read from YAML: frozen, no unknown keys, no coercion of types."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


Model = TypeVar("Model", bound=Strict)

MAX_FILE = 1 << 18  # a contract for a thousand channels takes a quarter of it
_MAX_DEPTH = 16


def _presentable(label: str) -> str:
    if clean(label) != label:
        raise ValueError(
            f"{clean(label)!r} has line breaks, runs of spaces, unprintable characters or more "
            f"than {LENGTH} characters"
        )
    return label


Label = Annotated[str, AfterValidator(_presentable)]
# YAML has only lists; strictness still holds for what is inside.
Labels = Annotated[tuple[Label, ...], Field(strict=False)]


class _Loader(yaml.SafeLoader):
    """Plain values only: no aliases, which can stand for gigabytes, and no tags."""

    _depth = 0

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in seen:
                raise yaml.YAMLError(
                    f"line {key.start_mark.line + 1} has the key {key.value!r} a second time"
                )
            seen.add(str(key.value))
        return super().construct_mapping(node, deep)

    def compose_node(self, parent: Any, index: Any) -> Any:
        event: Any = self.peek_event()  # type: ignore[no-untyped-call]
        self._depth += 1
        odd = None
        if isinstance(event, yaml.AliasEvent):
            odd = "has an alias (*): write it out"
        elif getattr(event, "tag", None) is not None:
            odd = "has a tag (!): leave it out"
        elif self._depth > _MAX_DEPTH:
            odd = "is nested too deeply"
        if odd:
            raise yaml.YAMLError(f"line {event.start_mark.line + 1} {odd}")
        node: Any = super().compose_node(parent, index)
        self._depth -= 1
        return node


def limited_text(path: Path, limit: int = MAX_FILE) -> str:
    """The content of a small UTF-8 file.

    Raises
    ------
    OSError, ValueError
        Not readable, no UTF-8, or larger than ``limit`` bytes.
    """
    with path.open("rb") as file:
        content = file.read(limit + 1)
    if len(content) > limit:
        raise ValueError(f"it is larger than {limit >> 10} KiB")
    return content.decode("utf-8")


def read_yaml(path: Path, what: str) -> object:
    """The content of a YAML file.

    Raises
    ------
    UsageError
        Missing, unreadable, too large or not YAML; names the file.
    """
    try:
        text = limited_text(path)
    except FileNotFoundError:
        raise UsageError(f"{what} {path} does not exist") from None
    except (OSError, ValueError) as error:
        raise UsageError(f"{what} {path} cannot be read: {error}") from None
    try:
        return yaml.load(text, _Loader)
    # PyYAML lets a bad date's ValueError through, and a number's OverflowError.
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        raise UsageError(f"{what} {path} is not YAML: {clean(str(error), 300)}") from None


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
        raise UsageError(f"{where}: {faults(kind, error)}") from None


def faults(kind: type[BaseModel], error: ValidationError) -> str:
    """Each key of a ``kind`` that ``error`` is about, and what is wrong with it, in one line."""
    # What is quoted in it comes from the file.
    return "; ".join(clean(_fault(kind, one), 500) for one in error.errors())


def _fault(kind: type[BaseModel], error: ErrorDetails) -> str:
    loc, code = error["loc"], error["type"]
    # pydantic's mark of an error in the key itself.
    of_key = loc[-1:] == ("[key]",)
    if code == "extra_forbidden":
        fields = _fields_at(kind, loc[:-1])
        known = f"; known here: {', '.join(fields)}" if fields else ""
        return f"unknown key {_dotted(loc)!r}{known}"
    if code == "invalid_key" or (of_key and code == "string_type"):
        loc = loc[: -1 - of_key]
        said = f"the key {written(error['input'])} must be text: write it in quotes"
    elif code == "value_error":
        said = error["msg"].removeprefix("Value error, ")
    else:
        said = ("" if loc else "it ") + mistake(code, error.get("ctx", {}), error["input"])
    return f"{_dotted(loc)}: {said}" if loc else said


def _dotted(loc: tuple[int | str, ...]) -> str:
    return ".".join(str(part) for part in loc if part != "[key]")


def _fields_at(kind: type[BaseModel], loc: tuple[int | str, ...]) -> list[str]:
    for part in loc:
        if isinstance(part, int):
            continue  # the item of a list
        field = kind.model_fields.get(str(part))
        annotation = field.annotation if field else None
        model = _model_in(annotation)
        if model is None:
            return []
        kind = model
    return list(kind.model_fields)


def _model_in(annotation: object) -> type[BaseModel] | None:
    """The first model that an annotation such as ``tuple[Model, ...] | None`` is made of."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(filter(None, map(_model_in, get_args(annotation))), None)
