"""Values of types from arguments that fit their schema, and plain values from those."""

from __future__ import annotations

import base64
import binascii
import collections.abc as abc
import dataclasses
import datetime
import enum
import math
import uuid
from collections.abc import Mapping
from typing import Annotated, Any, Literal, cast, get_args, get_origin, get_type_hints

from stargazer_core.foreign import msgspec
from stargazer_core.hints import LISTS, MAPPINGS, SETS, UNIONS, marked

__all__ = ["NotPlainError", "json_value", "plain", "value_of"]


class NotPlainError(Exception):
    """JSON has no place for it."""


def value_of(hint: Any, value: Any) -> Any:
    """A value of a type from an argument that fits its schema. Raises what a class of somebody else's raises."""
    origin = get_origin(hint)
    if origin is Annotated or marked(hint):
        return value_of(get_args(hint)[0], value)
    if origin in UNIONS:
        return _member_of(get_args(hint), value)
    if origin is Literal:
        return next((one for one in get_args(hint) if _same(plain(one), value)), value)
    if origin is not None:
        return _generic_of(hint, origin, value)
    if hasattr(hint, "__supertype__"):
        return value_of(hint.__supertype__, value)
    if not isinstance(hint, type) or value is None:
        return value
    return _instance_of(hint, value)


def _member_of(members: tuple[Any, ...], value: Any) -> Any:
    """The first member of a union that takes the value; a number or text stays what it is where it may."""
    if value is None:
        return None
    if isinstance(value, int | float) and type(value) in members:
        return value
    trouble: Exception | None = None
    # Text that may stay text is no base64.
    for member in sorted(members, key=lambda member: member is bytes and str in members):
        if not _may_be(member, value):
            continue
        try:
            return value_of(member, value)
        except Exception as error:
            trouble = error
    if trouble is not None:
        raise trouble
    return value


def _may_be(member: Any, value: Any) -> bool:
    """Whether a plain value may stand for a member of a union."""
    origin = get_origin(member)
    if origin is Annotated:
        return _may_be(get_args(member)[0], value)
    if origin is Literal:
        return any(_same(plain(one), value) for one in get_args(member))
    kind = origin or member
    if not isinstance(kind, type) or kind is object:
        return True
    if isinstance(value, dict):
        return issubclass(kind, dict) or kind in MAPPINGS or _is_record(kind)
    if isinstance(value, list):
        return kind in (*LISTS, *SETS, tuple) or hasattr(kind, "model_validate")
    if kind is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if kind is int:
        return type(value) is int or (isinstance(value, float) and value.is_integer())
    if kind is bytes:
        return isinstance(value, str | bytes)
    if kind in (bool, str, type(None)):
        return type(value) is kind
    return True


def _is_record(kind: type) -> bool:
    own = ("model_validate", "__struct_fields__", "__required_keys__")
    return dataclasses.is_dataclass(kind) or any(hasattr(kind, name) for name in own)


def _same(one: Any, other: Any) -> bool:
    """Whether two plain values are the same in JSON: 1 is 1.0, and neither is true."""
    return one == other and isinstance(one, bool) == isinstance(other, bool)


def _generic_of(hint: Any, origin: Any, value: Any) -> Any:
    arguments = get_args(hint)
    if origin in MAPPINGS and isinstance(value, dict):
        return {key: value_of(arguments[1], item) for key, item in value.items()}
    if origin is tuple and isinstance(value, list):
        if len(arguments) == 2 and arguments[1] is Ellipsis:
            return tuple(value_of(arguments[0], item) for item in value)
        return tuple(value_of(inner, item) for inner, item in zip(arguments, value, strict=True))
    if origin in (*LISTS, *SETS) and isinstance(value, list):
        items = [value_of(arguments[0], item) for item in value]
        if origin in SETS:
            return frozenset(items) if origin in (frozenset, abc.Set) else set(items)
        return items
    return _instance_of(origin, value) if isinstance(origin, type) and origin not in MAPPINGS else value


def _instance_of(hint: type, value: Any) -> Any:
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if hint is int and isinstance(value, float):
        # A whole float fits an integer's schema.
        return int(value)
    if hint is bytes and isinstance(value, str):
        try:
            return base64.b64decode(value, validate=True)
        except (binascii.Error, ValueError) as error:
            raise ValueError(f"it must be base64: {error}") from error
    if isinstance(value, str) and hint in (datetime.datetime, datetime.date, datetime.time):
        # Python before 3.11 does not read the letter.
        return cast("type[datetime.datetime]", hint).fromisoformat(value.replace("Z", "+00:00"))
    if hint is uuid.UUID:
        return uuid.UUID(str(value))
    if issubclass(hint, enum.Enum):
        return next((one for one in hint if _same(plain(one.value), value)), value)
    if hint in (set, frozenset, tuple) and isinstance(value, list):
        return hint(value)
    if hasattr(hint, "model_validate"):
        return cast("Any", hint).model_validate(value)
    if hasattr(hint, "__struct_fields__"):
        return msgspec().convert(value, hint)
    if isinstance(value, dict):
        if dataclasses.is_dataclass(hint):
            return hint(**_fields_of(hint, value))
        if issubclass(hint, dict) and hasattr(hint, "__required_keys__"):
            return _fields_of(hint, value)
    return value


def _fields_of(hint: type, value: Mapping[str, Any]) -> dict[str, Any]:
    hints = get_type_hints(hint, include_extras=True)
    return {name: value_of(hints.get(name, Any), item) for name, item in value.items()}


def plain(value: Any) -> Any:
    """A result as a body may hold it: models, dataclasses, enums and sets as what they consist of."""
    if value is None or isinstance(value, str | int | float | bool | bytes):
        return value.value if isinstance(value, enum.Enum) else value
    if isinstance(value, enum.Enum):
        return plain(value.value)
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    model: Any = value
    if hasattr(model, "model_dump"):
        return plain(model.model_dump())
    if hasattr(model, "__struct_fields__"):
        return {name: plain(getattr(model, name)) for name in model.__struct_fields__}
    if isinstance(value, datetime.date | datetime.time) and not isinstance(value, datetime.datetime):
        return value.isoformat()
    return str(value) if isinstance(value, uuid.UUID) else value


def json_value(value: Any) -> Any:
    """A value as JSON has it, such as a default stands in a schema.

    Raises:
        NotPlainError: there is no such value.
        ValueError: it is a number that JSON does not know.
    """
    value = plain(value)
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"JSON has no {value}")
        return value
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, datetime.datetime):
        return value.isoformat()
    if isinstance(value, list):
        return [json_value(item) for item in value]
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return {key: json_value(item) for key, item in value.items()}
    raise NotPlainError
