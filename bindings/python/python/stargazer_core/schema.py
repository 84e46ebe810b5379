"""JSON Schema of type hints, and values of those types from arguments that fit it.

Known are the scalars, ``Literal``, enums, ``Optional`` and unions, lists, tuples, sets, mappings, dates and times,
``UUID``, ``bytes``, dataclasses, ``TypedDict``, and classes that know their own schema: those of pydantic and of
msgspec, of which none is needed here. ``Annotated`` adds a description (a text, or what has a ``description``) and
bounds (what has ``ge``, ``gt``, ``le``, ``lt``, ``multiple_of``, ``min_length``, ``max_length`` or ``pattern``, such as
pydantic's ``Field``). A type that has no schema is refused by name.
"""

from __future__ import annotations

import collections.abc as abc
import dataclasses
import datetime
import enum
import importlib
import types
import uuid
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Union, cast, get_args, get_origin, get_type_hints

from stargazer_core.errors import InvalidError

__all__ = ["Schemas", "plain", "value_of"]

_SCALARS: dict[Any, dict[str, Any]] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
    type(None): {"type": "null"},
    bytes: {"type": "string", "format": "binary"},
    datetime.datetime: {"type": "string", "format": "date-time"},
    datetime.date: {"type": "string", "format": "date"},
    datetime.time: {"type": "string", "format": "time"},
    uuid.UUID: {"type": "string", "format": "uuid"},
    list: {"type": "array"},
    tuple: {"type": "array"},
    set: {"type": "array", "uniqueItems": True},
    frozenset: {"type": "array", "uniqueItems": True},
    dict: {"type": "object"},
    Any: {},
    object: {},
}

_LISTS = (list, abc.Sequence, abc.MutableSequence, abc.Iterable, abc.Collection)
_SETS = (set, frozenset, abc.Set, abc.MutableSet)
_MAPPINGS = (dict, abc.Mapping, abc.MutableMapping)

#: Bounds as annotations name them, and as the schema does, by the type that they are about.
_BOUNDS = {"ge": "minimum", "gt": "exclusiveMinimum", "le": "maximum", "lt": "exclusiveMaximum"}
_OTHERS = {"multiple_of": "multipleOf", "pattern": "pattern"}
_LENGTHS = {
    "string": ("minLength", "maxLength"),
    "array": ("minItems", "maxItems"),
    "object": ("minProperties", "maxProperties"),
}

_UNIONS = (Union, types.UnionType)


class Schemas:
    """The schemas of one tool's parameters, with what they refer to."""

    def __init__(self) -> None:
        """None yet."""
        #: Schemas that others refer to, by name.
        self.defs: dict[str, Any] = {}
        self._names: dict[Any, str] = {}

    def of(self, hint: Any, at: str) -> dict[str, Any]:
        """The schema of a type; ``InvalidError`` naming the place when it has none."""
        if hint in _SCALARS:
            return dict(_SCALARS[hint])
        origin = get_origin(hint)
        if origin is Annotated:
            return self._annotated(hint, at)
        if origin is Literal:
            values = list(get_args(hint))
            return {"const": values[0]} if len(values) == 1 else {"enum": values}
        if origin in _UNIONS:
            return self._union(get_args(hint), at)
        if _marked(hint):
            return self.of(get_args(hint)[0], at)
        if origin is not None:
            return self._generic(hint, origin, at)
        if hasattr(hint, "__supertype__"):
            return self.of(hint.__supertype__, at)
        if isinstance(hint, type):
            return self._class(hint, at)
        raise _no_schema(hint, at)

    def _annotated(self, hint: Any, at: str) -> dict[str, Any]:
        inner, *notes = get_args(hint)
        schema = self.of(inner, at)
        if notes and "$ref" in schema:
            # Nothing may stand beside a reference in older drafts.
            schema = {"allOf": [schema]}
        for note in notes:
            _note(schema, note)
        return schema

    def _union(self, members: tuple[Any, ...], at: str) -> dict[str, Any]:
        schemas = [self.of(member, at) for member in members]
        if all(list(schema) == ["type"] for schema in schemas):
            return {"type": [schema["type"] for schema in schemas]}
        return {"anyOf": schemas}

    def _generic(self, hint: Any, origin: Any, at: str) -> dict[str, Any]:
        arguments = get_args(hint)
        if origin in _LISTS:
            return {"type": "array", "items": self.of(arguments[0], f"{at}[]")}
        if origin in _SETS:
            return {"type": "array", "items": self.of(arguments[0], f"{at}[]"), "uniqueItems": True}
        if origin in _MAPPINGS:
            if arguments[0] is not str:
                raise InvalidError(f"`{at}` is a mapping whose keys are not str", {"field": at})
            return {"type": "object", "additionalProperties": self.of(arguments[1], f"{at}[]")}
        if origin is tuple:
            if len(arguments) == 2 and arguments[1] is Ellipsis:
                return {"type": "array", "items": self.of(arguments[0], f"{at}[]")}
            n = len(arguments)
            items = [self.of(argument, f"{at}[{i}]") for i, argument in enumerate(arguments)]
            return {"type": "array", "prefixItems": items, "minItems": n, "maxItems": n}
        if isinstance(origin, type):
            return self._class(origin, at)
        raise _no_schema(hint, at)

    def _class(self, hint: type, at: str) -> dict[str, Any]:
        if hint in self._names:
            return {"$ref": f"#/$defs/{self._names[hint]}"}
        if issubclass(hint, enum.Enum):
            return {"enum": [plain(member.value) for member in hint]}
        make = _maker(hint)
        if make is None:
            raise _no_schema(hint, at)
        name = self._name(hint)
        self.defs[name] = {}
        self.defs[name] = make(self, hint)
        return {"$ref": f"#/$defs/{name}"}

    def _name(self, hint: type) -> str:
        name, n = hint.__name__, 1
        while name in self.defs:
            n += 1
            name = f"{hint.__name__}{n}"
        self._names[hint] = name
        return name

    def of_dataclass(self, hint: type) -> dict[str, Any]:
        """A dataclass: its fields by name, those without a default required."""
        hints = get_type_hints(hint, include_extras=True)
        properties, required = {}, []
        for field in dataclasses.fields(hint):
            if not field.init:
                continue
            properties[field.name] = self.of(hints[field.name], field.name)
            if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
                required.append(field.name)
            elif field.default is not dataclasses.MISSING:
                _default(properties[field.name], field.default)
        return _object(properties, required)

    def of_typed_dict(self, hint: Any) -> dict[str, Any]:
        """A ``TypedDict``: its keys, those of a total one required."""
        hints = get_type_hints(hint, include_extras=True)
        properties = {name: self.of(inner, name) for name, inner in hints.items()}
        # Where annotations are texts, the class does not know which of its keys are marked.
        needed = [name for name in hints if name in hint.__required_keys__ and _marked(hints[name]) != "NotRequired"]
        return _object(properties, needed)

    def of_pydantic(self, hint: Any) -> dict[str, Any]:
        """A model of pydantic, as it describes itself."""
        return self._hoisted(hint.model_json_schema(ref_template="#/$defs/{model}"))

    def of_msgspec(self, hint: Any) -> dict[str, Any]:
        """A struct of msgspec, as msgspec describes it."""
        (schema,), components = _msgspec().json.schema_components([hint], ref_template="#/$defs/{name}")
        own = components.pop(hint.__name__, schema)
        return self._hoisted({**own, "$defs": components})

    def _hoisted(self, schema: dict[str, Any]) -> dict[str, Any]:
        for name, inner in schema.pop("$defs", {}).items():
            self.defs.setdefault(name, inner)
        return schema


def _msgspec() -> Any:
    """There, where somebody has a class of it."""
    return importlib.import_module("msgspec")


def _maker(hint: type) -> Any:
    if hasattr(hint, "model_json_schema"):
        return Schemas.of_pydantic
    if hasattr(hint, "__struct_fields__"):
        return Schemas.of_msgspec
    if dataclasses.is_dataclass(hint):
        return Schemas.of_dataclass
    if _is_typed_dict(hint):
        return Schemas.of_typed_dict
    return None


def _marked(hint: Any) -> str:
    """``Required``, ``NotRequired`` or ``""``; also those of ``typing_extensions``."""
    name = getattr(get_origin(hint), "_name", None)
    return name if name in ("Required", "NotRequired") else ""


def _is_typed_dict(hint: Any) -> bool:
    return isinstance(hint, type) and issubclass(hint, dict) and hasattr(hint, "__required_keys__")


def _object(properties: dict[str, Any], required: list[str]) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "object", "properties": properties}
    if required:
        schema["required"] = required
    return {**schema, "additionalProperties": False}


def _default(schema: dict[str, Any], value: Any) -> None:
    if value is None or isinstance(value, str | int | float | bool):
        schema["default"] = value


def _note(schema: dict[str, Any], note: Any) -> None:
    """What stands beside a type in ``Annotated``."""
    description = note if isinstance(note, str) else getattr(note, "description", None)
    if isinstance(description, str):
        schema["description"] = description
    if isinstance(note, str):
        return
    for inner in getattr(note, "metadata", ()):
        _note(schema, inner)
    for name, keyword in {**_BOUNDS, **_OTHERS}.items():
        bound = getattr(note, name, None)
        if isinstance(bound, int | float | str):
            schema[keyword] = bound
    lengths = _LENGTHS.get(str(schema.get("type")))
    for name, at in (("min_length", 0), ("max_length", 1)):
        length = getattr(note, name, None)
        if lengths is not None and isinstance(length, int):
            schema[lengths[at]] = length


def _no_schema(hint: Any, at: str) -> InvalidError:
    shown = getattr(hint, "__name__", None) or repr(hint)
    text = f"`{at}` is of the type {shown}, which has no JSON Schema; take a plain type, a dataclass or a model"
    return InvalidError(text, {"field": at, "found": str(shown)})


def value_of(hint: Any, value: Any) -> Any:
    """A value of a type from an argument that fits its schema. Raises what a class of somebody else's raises."""
    origin = get_origin(hint)
    if origin is Annotated or _marked(hint):
        return value_of(get_args(hint)[0], value)
    if origin in _UNIONS:
        return _member_of(get_args(hint), value)
    if origin is not None:
        return _generic_of(hint, origin, value)
    if hasattr(hint, "__supertype__"):
        return value_of(hint.__supertype__, value)
    if not isinstance(hint, type) or value is None:
        return value
    return _instance_of(hint, value)


def _member_of(members: tuple[Any, ...], value: Any) -> Any:
    """The first member of a union that takes the value."""
    if value is None:
        return None
    trouble: Exception | None = None
    for member in members:
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
        return value in get_args(member)
    kind = origin or member
    if not isinstance(kind, type) or kind is object:
        return True
    if isinstance(value, dict):
        return issubclass(kind, dict) or kind in _MAPPINGS or _maker(kind) is not None
    if isinstance(value, list):
        return kind in (*_LISTS, *_SETS, tuple)
    if kind is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if kind in (int, bool, str, bytes, type(None)):
        return type(value) is kind
    return True


def _generic_of(hint: Any, origin: Any, value: Any) -> Any:
    arguments = get_args(hint)
    if origin in _MAPPINGS and isinstance(value, dict):
        return {key: value_of(arguments[1], item) for key, item in value.items()}
    if origin is tuple and isinstance(value, list):
        if len(arguments) == 2 and arguments[1] is Ellipsis:
            return tuple(value_of(arguments[0], item) for item in value)
        return tuple(value_of(inner, item) for inner, item in zip(arguments, value, strict=True))
    if origin in (*_LISTS, *_SETS) and isinstance(value, list):
        items = [value_of(arguments[0], item) for item in value]
        if origin in _SETS:
            return frozenset(items) if origin in (frozenset, abc.Set) else set(items)
        return items
    return _instance_of(origin, value) if isinstance(origin, type) and origin not in _MAPPINGS else value


def _instance_of(hint: type, value: Any) -> Any:
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if hint is int and isinstance(value, float):
        # A whole float fits an integer's schema.
        return int(value)
    if isinstance(value, str) and hint in (datetime.datetime, datetime.date, datetime.time):
        # Python before 3.11 does not read the letter.
        return cast("type[datetime.datetime]", hint).fromisoformat(value.replace("Z", "+00:00"))
    if hint is uuid.UUID:
        return uuid.UUID(str(value))
    if issubclass(hint, enum.Enum):
        return hint(value)
    if hint in (set, frozenset, tuple) and isinstance(value, list):
        return hint(value)
    if hasattr(hint, "model_validate"):
        return cast("Any", hint).model_validate(value)
    if hasattr(hint, "__struct_fields__"):
        return _msgspec().convert(value, hint)
    if isinstance(value, dict):
        if dataclasses.is_dataclass(hint):
            return hint(**_fields_of(hint, value))
        if _is_typed_dict(hint):
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
