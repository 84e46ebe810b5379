"""Bodies as values of a type: dataclasses, typed dicts, models of pydantic, structs of msgspec.

A body that does not fit is a ``MalformedError`` that names the place. Numbers, texts and bytes are taken for what they
are, with one exception: a whole number stands where a float is meant. Of a dataclass, keys that it does not have are
passed over; a typed dict keeps them. A model or struct reads as its own package does, which is needed only where
somebody has such a class.
"""

from __future__ import annotations

import collections.abc as abc
import dataclasses
import datetime
import enum
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal, TypeVar, cast, get_args, get_origin, get_type_hints

from stargazer_core import _native
from stargazer_core.errors import InvalidError, MalformedError
from stargazer_core.foreign import msgspec
from stargazer_core.hints import LISTS, MAPPINGS, SETS, UNIONS, marked
from stargazer_core.hints import needed as needed_keys
from stargazer_core.values import Ext

__all__ = ["Read", "envelope", "plain", "reader"]

T = TypeVar("T")

#: Reads the body of a delivery.
Read = Callable[[_native.Delivery], T]

#: Makes a value of what stands at a place.
_Make = Callable[[Any, str], Any]


def plain(native: _native.Delivery) -> Any:
    """The body as it is."""
    return native.data()


def envelope(kind: Callable[[], T]) -> Read[T]:
    """Reads envelopes of a kind, which the core has checked."""

    def read(native: _native.Delivery) -> T:
        body = kind()
        native.fill(cast("dict[str, Any]", body))
        return body

    return read


def reader(body: type[T]) -> Read[T]:
    """Reads bodies of a type.

    Raises:
        InvalidError: it is, or has in it, a type that no body can be read as; the place is named.
    """
    name = getattr(body, "__name__", None) or repr(body)
    if hasattr(body, "__struct_fields__"):
        # From the bytes: no plain value in between.
        decode = msgspec().msgpack.Decoder(body, ext_hook=lambda tag, data: Ext(tag, bytes(data))).decode
        return _guarded(name, lambda native: decode(native.raw))
    make = _maker(body, "", {})
    return _guarded(name, lambda native: make(native.data(), ""))


def _guarded(name: str, read: Read[T]) -> Read[T]:
    def guarded(native: _native.Delivery) -> T:
        try:
            return read(native)
        except MalformedError:
            # It has no body at all.
            raise
        except _MisfitError as misfit:
            at, expected = misfit.at, misfit.expected
            context = {"expected": expected, **({"field": at} if at else {})}
            raise MalformedError(f"the body is no {name}: {misfit}", context) from None
        except Exception as error:
            raise MalformedError(f"the body is no {name}: {type(error).__name__}: {error}") from error

    return guarded


class _MisfitError(Exception):
    """What stands at a place is not what is expected there."""

    def __init__(self, at: str, expected: str, value: Any) -> None:
        found = "nothing" if value is _NOTHING else type(value).__name__
        super().__init__(f"{f'`{at}` must be' if at else 'it must be'} {expected}, found {found}")
        self.at = at
        self.expected = expected


_NOTHING = object()


def _maker(hint: Any, at: str, known: dict[Any, _Make]) -> _Make:
    """How values of a type are made; ``known`` are those that are being looked at, for types that hold themselves."""
    if hint in (Any, object):
        return lambda value, _: value
    if hint is None or hint is type(None):
        return _of(type(None), "None")
    origin = get_origin(hint)
    if origin is Annotated or marked(hint):
        return _maker(get_args(hint)[0], at, known)
    if origin is Literal:
        return _literal(get_args(hint))
    if origin in UNIONS:
        return _union([_maker(member, at, known) for member in get_args(hint)], hint)
    if hasattr(hint, "__supertype__"):
        return _maker(hint.__supertype__, at, known)
    if origin in MAPPINGS or hint in MAPPINGS:
        return _mapping(get_args(hint), at, known)
    if (origin or hint) is tuple:
        return _tuple(get_args(hint), at, known)
    if origin in (*LISTS, *SETS) or hint in (*LISTS, *SETS):
        return _items(origin or hint, get_args(hint), at, known)
    if isinstance(hint, type):
        return _class(hint, at, known)
    raise _unreadable(hint, at)


def _class(hint: type, at: str, known: dict[Any, _Make]) -> _Make:
    if hint in known:
        return lambda value, at: known[hint](value, at)
    if hint is float:
        return _float
    if hint in (str, int, bool, bytes, Ext):
        return _of(hint, hint.__name__)
    if hint is datetime.datetime:
        return _of(hint, "a time")
    if issubclass(hint, enum.Enum):
        return _enum(hint)
    model: Any = hint
    if hasattr(model, "model_validate"):
        return lambda value, _: model.model_validate(value)
    if hasattr(model, "__struct_fields__"):
        built_in = (bytes, datetime.datetime)
        return lambda value, _: msgspec().convert(value, model, builtin_types=built_in)
    if dataclasses.is_dataclass(hint):
        return _dataclass(hint, known)
    if issubclass(hint, dict) and hasattr(hint, "__required_keys__"):
        return _typed_dict(hint, known)
    raise _unreadable(hint, at)


def _unreadable(hint: Any, at: str) -> InvalidError:
    shown = getattr(hint, "__name__", None) or repr(hint)
    where = f"`{at}` is of the type {shown}" if at else f"body is {shown}"
    text = f"{where}, which no body is read as; take a dataclass, a typed dict, a model, a struct or a plain type"
    return InvalidError(text, {"argument": "body", **({"field": at} if at else {})})


def _of(kind: type, expected: str) -> _Make:
    def make(value: Any, at: str) -> Any:
        # A bool is no number here.
        if isinstance(value, kind) and (kind is bool or not isinstance(value, bool)):
            return value
        raise _MisfitError(at, expected, value)

    return make


def _float(value: Any, at: str) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    raise _MisfitError(at, "float", value)


def _literal(values: tuple[Any, ...]) -> _Make:
    def make(value: Any, at: str) -> Any:
        for one in values:
            if type(one) is type(value) and one == value:
                return one
        raise _MisfitError(at, f"one of {', '.join(map(repr, values))}", value)

    return make


def _enum(kind: type[enum.Enum]) -> _Make:
    def make(value: Any, at: str) -> Any:
        try:
            return kind(value)
        except ValueError:
            raise _MisfitError(at, f"a value of {kind.__name__}", value) from None

    return make


def _union(members: list[_Make], hint: Any) -> _Make:
    """The first member that takes the value."""

    def make(value: Any, at: str) -> Any:
        deepest: _MisfitError | None = None
        for member in members:
            try:
                return member(value, at)
            except _MisfitError as misfit:
                if deepest is None or len(misfit.at) > len(deepest.at):
                    deepest = misfit
            except (ValueError, TypeError):
                # What a model or struct says of what it is not.
                continue
        if deepest is not None and deepest.at != at:
            raise deepest
        raise _MisfitError(at, str(hint), value)

    return make


def _mapping(arguments: tuple[Any, ...], at: str, known: dict[Any, _Make]) -> _Make:
    if arguments and arguments[0] not in (str, Any):
        raise _unreadable(arguments[0], f"{at}[]" if at else "[]")
    item = _maker(arguments[1] if arguments else Any, f"{at}[]", known)

    def make(value: Any, at: str) -> Any:
        if not isinstance(value, dict):
            raise _MisfitError(at, "a dict", value)
        return {key: item(inner, f"{at}.{key}" if at else key) for key, inner in value.items()}

    return make


def _listed(value: Any, at: str, expected: str) -> list[Any]:
    if not isinstance(value, list):
        raise _MisfitError(at, expected, value)
    return value


def _items(kind: Any, arguments: tuple[Any, ...], at: str, known: dict[Any, _Make]) -> _Make:
    item = _maker(arguments[0] if arguments else Any, f"{at}[]", known)
    build: Callable[[Any], Any] = list
    if kind in SETS:
        build = frozenset if kind in (frozenset, abc.Set) else set
    return lambda value, at: build(item(inner, f"{at}[{n}]") for n, inner in enumerate(_listed(value, at, "a list")))


def _tuple(arguments: tuple[Any, ...], at: str, known: dict[Any, _Make]) -> _Make:
    if not arguments or (len(arguments) == 2 and arguments[1] is Ellipsis):
        items = _items(list, arguments[:1], at, known)
        return lambda value, at: tuple(items(value, at))
    makes = [_maker(argument, f"{at}[{n}]", known) for n, argument in enumerate(arguments)]

    def make(value: Any, at: str) -> Any:
        expected = f"a list of {len(makes)}"
        if len(_listed(value, at, expected)) != len(makes):
            raise _MisfitError(at, expected, value)
        return tuple(make(inner, f"{at}[{n}]") for n, (make, inner) in enumerate(zip(makes, value, strict=True)))

    return make


def _dataclass(kind: Any, known: dict[Any, _Make]) -> _Make:
    known[kind] = lambda value, at: make(value, at)
    hints = get_type_hints(kind, include_extras=True)
    fields = [field for field in dataclasses.fields(kind) if field.init]
    makes = {field.name: _maker(hints[field.name], field.name, known) for field in fields}
    needed = {
        field.name
        for field in fields
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    }

    def make(value: Any, at: str) -> Any:
        return kind(**_fields(makes, needed, value, at))

    return make


def _typed_dict(kind: Any, known: dict[Any, _Make]) -> _Make:
    known[kind] = lambda value, at: make(value, at)
    hints = get_type_hints(kind, include_extras=True)
    makes = {name: _maker(hint, name, known) for name, hint in hints.items()}
    needed = set(needed_keys(kind, hints))

    def make(value: Any, at: str) -> Any:
        return {**(value if isinstance(value, dict) else {}), **_fields(makes, needed, value, at)}

    return make


def _fields(makes: Mapping[str, _Make], needed: set[str], value: Any, at: str) -> dict[str, Any]:
    """The values of the fields that are there."""
    if not isinstance(value, dict):
        raise _MisfitError(at, "a dict", value)
    inside = f"{at}." if at else ""
    for name in makes:
        if name in needed and name not in value:
            raise _MisfitError(f"{inside}{name}", "there", _NOTHING)
    return {name: make(value[name], f"{inside}{name}") for name, make in makes.items() if name in value}
