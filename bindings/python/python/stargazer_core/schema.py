"""JSON Schema of type hints.

Known are the scalars, ``Literal``, enums, ``Optional`` and unions, lists, tuples, sets, mappings, dates and times,
``UUID``, ``bytes`` (base64 text), dataclasses, ``TypedDict``, and classes that know their own schema: those of pydantic
and of msgspec, of which none is needed here. ``Annotated`` adds a description (a text, or what has a ``description``)
and bounds (what has ``ge``, ``gt``, ``le``, ``lt``, ``multiple_of``, ``min_length``, ``max_length`` or ``pattern``,
such as pydantic's ``Field``). A type that has no schema is refused by name, and so is a default that does not fit.
"""

from __future__ import annotations

import collections.abc as abc
import dataclasses
import datetime
import enum
import re
import uuid
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

from stargazer_core import _native
from stargazer_core.errors import InvalidError
from stargazer_core.foreign import Hoist, msgspec
from stargazer_core.hints import LISTS, MAPPINGS, SETS, UNIONS, is_typed_dict, marked, needed
from stargazer_core.typed import NotPlainError, json_value, plain

__all__ = ["Schemas", "beside"]

_SCALARS: dict[Any, dict[str, Any]] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
    type(None): {"type": "null"},
    bytes: {"type": "string", "contentEncoding": "base64"},
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


#: Bounds as annotations name them, and as the schema does, by the type that they are about.
_BOUNDS = {"ge": "minimum", "gt": "exclusiveMinimum", "le": "maximum", "lt": "exclusiveMaximum"}
_OTHERS = {"multiple_of": "multipleOf", "pattern": "pattern"}
_LENGTHS = {
    "string": ("minLength", "maxLength"),
    "array": ("minItems", "maxItems"),
    "object": ("minProperties", "maxProperties"),
}


class Schemas:
    """The schemas of one tool's parameters, with what they refer to."""

    def __init__(self) -> None:
        """None yet."""
        #: Schemas that others refer to, by name.
        self.defs: dict[str, Any] = {}
        self._names: dict[Any, str] = {}
        self._hoist = Hoist(self.defs)
        self._defaults: list[tuple[str, dict[str, Any], Any]] = []

    def of(self, hint: Any, at: str) -> dict[str, Any]:
        """The schema of a type; ``InvalidError`` naming the place when it has none."""
        origin = get_origin(hint)
        if origin is Annotated:
            inner, *notes = get_args(hint)
            return self.noted(self.of(inner, at), notes)
        if hint in _SCALARS:
            return dict(_SCALARS[hint])
        if origin is Literal:
            values = [plain(value) for value in get_args(hint)]
            return {"const": values[0]} if len(values) == 1 else {"enum": values}
        if origin in UNIONS:
            return self._union(get_args(hint), at)
        if marked(hint):
            return self.of(get_args(hint)[0], at)
        if origin is not None:
            return self._generic(hint, origin, at)
        if hasattr(hint, "__supertype__"):
            return self.of(hint.__supertype__, at)
        if isinstance(hint, type):
            return self._class(hint, at)
        raise _no_schema(hint, at)

    def noted(self, schema: dict[str, Any], notes: abc.Iterable[Any]) -> dict[str, Any]:
        """A schema with what is said beside its type: texts, and objects that name bounds."""
        for note in notes:
            schema = beside(schema)
            _note(schema, note)
        return schema

    def default(self, schema: dict[str, Any], value: Any, at: str) -> dict[str, Any]:
        """A schema with its default; one that JSON has no place for is not told.

        Raises:
            InvalidError: it is no number that JSON knows.
        """
        try:
            told = json_value(value)
        except NotPlainError:
            return schema
        except ValueError as error:
            raise InvalidError(f"the default of `{at}` cannot be: {error}", {"field": at}) from error
        schema = beside(schema)
        schema["default"] = told
        self._defaults.append((at, schema, told))
        return schema

    def check_defaults(self) -> None:
        """Once all schemas are there: whether the defaults fit theirs.

        Raises:
            InvalidError: one does not; it is named.
        """
        for at, schema, told in self._defaults:
            parameters = {"type": "object", "properties": {"default": schema}, "$defs": self.defs}
            try:
                _native.check_arguments({"name": "default", "parameters": parameters}, {"default": told})
            except InvalidError as error:
                wants, found = (error.context.get(name, "?") for name in ("expected", "found"))
                hint = f"; write `{at}: ... | None`" if told is None else ""
                text = f"the default of `{at}` does not fit its type: it must be {wants}, found {found}{hint}"
                raise InvalidError(text, {**error.context, "field": at}) from error

    def _union(self, members: tuple[Any, ...], at: str) -> dict[str, Any]:
        schemas = [self.of(member, at) for member in members]
        if all(list(schema) == ["type"] for schema in schemas):
            return {"type": [schema["type"] for schema in schemas]}
        return {"anyOf": schemas}

    def _generic(self, hint: Any, origin: Any, at: str) -> dict[str, Any]:
        arguments = get_args(hint)
        if origin in LISTS:
            return {"type": "array", "items": self.of(arguments[0], f"{at}[]")}
        if origin in SETS:
            return {"type": "array", "items": self.of(arguments[0], f"{at}[]"), "uniqueItems": True}
        if origin in MAPPINGS:
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
        own = _described(hint)
        if own is not None:
            name = self._hoist.take(_word(hint), own)
        elif dataclasses.is_dataclass(hint) or is_typed_dict(hint):
            name = self._hoist.free(_word(hint))
        else:
            raise _no_schema(hint, at)
        self._names[hint] = name
        if own is None:
            self.defs[name] = {}
            self.defs[name] = self.of_dataclass(hint) if dataclasses.is_dataclass(hint) else self.of_typed_dict(hint)
        return {"$ref": f"#/$defs/{name}"}

    def of_dataclass(self, hint: type) -> dict[str, Any]:
        """A dataclass: its fields by name, those without a default required."""
        hints = _hints_of(hint)
        properties, required = {}, []
        for field in dataclasses.fields(hint):
            if not field.init:
                continue
            schema = self.of(hints[field.name], field.name)
            if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
                required.append(field.name)
            elif field.default is not dataclasses.MISSING:
                schema = self.default(schema, field.default, field.name)
            properties[field.name] = schema
        return _object(properties, required)

    def of_typed_dict(self, hint: Any) -> dict[str, Any]:
        """A ``TypedDict``: its keys, those of a total one required."""
        hints = _hints_of(hint)
        properties = {name: self.of(inner, name) for name, inner in hints.items()}
        return _object(properties, needed(hint, hints))


def _described(hint: type) -> dict[str, Any] | None:
    """What a model of pydantic or a struct of msgspec says of itself; what it refers to stands in ``$defs``."""
    if hasattr(hint, "model_json_schema"):
        own: dict[str, Any] = hint.model_json_schema(ref_template="#/$defs/{model}")
        return own
    if hasattr(hint, "__struct_fields__"):
        (schema,), components = msgspec().json.schema_components([hint], ref_template="#/$defs/{name}")
        return {**schema, "$defs": components}
    return None


def _hints_of(hint: type) -> dict[str, Any]:
    try:
        return get_type_hints(hint, include_extras=True)
    except NameError as error:
        text = f"a type hint of {hint.__name__} cannot be resolved: {error}"
        raise InvalidError(text, {"field": hint.__name__}) from error


def _word(hint: type) -> str:
    """The name of a class as a pointer may hold it."""
    return re.sub(r"[^A-Za-z0-9_.-]+", "_", hint.__name__).strip("_") or "object"


def _object(properties: dict[str, Any], required: list[str]) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "object", "properties": properties}
    if required:
        schema["required"] = required
    return {**schema, "additionalProperties": False}


def beside(schema: dict[str, Any]) -> dict[str, Any]:
    """A schema beside which something may be said: older drafts let nothing stand beside a reference."""
    return {"allOf": [schema]} if "$ref" in schema else schema


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
    kinds = [kind for one in (schema, *schema.get("anyOf", ())) for kind in _kinds(one)]
    for name, at in (("min_length", 0), ("max_length", 1)):
        length = getattr(note, name, None)
        if isinstance(length, int):
            # Each of these is about values of its own type only.
            schema.update({lengths[at]: length for kind, lengths in _LENGTHS.items() if kind in kinds})


def _kinds(schema: dict[str, Any]) -> list[str]:
    kinds: str | list[str] = schema.get("type", [])
    return [kinds] if isinstance(kinds, str) else kinds


def _no_schema(hint: Any, at: str) -> InvalidError:
    shown = getattr(hint, "__name__", None) or repr(hint)
    text = f"`{at}` is of the type {shown}, which has no JSON Schema; take a plain type, a dataclass or a model"
    return InvalidError(text, {"field": at, "found": str(shown)})
