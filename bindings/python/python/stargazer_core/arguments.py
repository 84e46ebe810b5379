"""Arguments that Python takes in any type and the core does not: refused here, by name."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from stargazer_core.errors import ArgumentError

__all__ = [
    "need_a",
    "need_all",
    "need_bytes",
    "need_count",
    "need_function",
    "need_map",
    "need_number",
    "need_rows",
    "need_seconds",
    "need_text",
    "need_texts",
]

T = TypeVar("T")

#: Letters of what was found that are told.
_SHOWN = 80

#: More than any server holds; what is larger does not fit where it goes.
_MOST = 2**32


def need_count(name: str, value: object, *, least: int) -> int:
    """A whole number that is large enough."""
    if isinstance(value, int) and not isinstance(value, bool) and least <= value < _MOST:
        return value
    raise _wrong(name, f"a whole number from {least} up", value)


def need_seconds(name: str, value: object) -> float | None:
    """A number of seconds, or nothing."""
    if value is None or (isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < _MOST):
        return value
    raise _wrong(name, "a number of seconds from 0 up", value)


def need_a(name: str, value: object, kind: type[T]) -> T:
    """One of a class."""
    if isinstance(value, kind):
        return value
    raise _wrong(name, f"{'an' if kind.__name__[0] in 'AEIOU' else 'a'} {kind.__name__}", value)


def need_all(name: str, values: object, kind: type[T]) -> list[T]:
    """Some of a class; a text is no list."""
    if isinstance(values, Iterable) and not isinstance(values, str | bytes | Mapping):
        listed = list(values)
        if all(isinstance(value, kind) for value in listed):
            return listed
    raise _wrong(name, f"a list of {kind.__name__}", values)


def need_map(name: str, value: object) -> dict[str, Any]:
    """A mapping whose keys are texts."""
    if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
        return dict(value)
    raise _wrong(name, "a dict with texts as keys", value)


def maybe_map(name: str, value: object) -> dict[str, Any] | None:
    """A mapping whose keys are texts, or none."""
    return None if value is None else need_map(name, value)


def need_text(name: str, value: object) -> str:
    """A text."""
    if isinstance(value, str):
        return value
    raise _wrong(name, "a text", value)


def need_number(name: str, value: object) -> float:
    """A number that a float holds, infinite ones among them."""
    if isinstance(value, int | float) and not isinstance(value, bool) and not math.isnan(value):
        try:
            return float(value)
        except OverflowError:
            pass
    raise _wrong(name, "a number", value)


def need_bytes(name: str, value: object) -> bytes:
    """Bytes, or what holds them."""
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value)
    raise _wrong(name, "bytes", value)


def need_rows(name: str, values: object) -> list[tuple[Any, ...]]:
    """Some tuples of two or three."""
    if isinstance(values, Iterable) and not isinstance(values, str | bytes | Mapping):
        rows = [tuple(row) if isinstance(row, tuple | list) else () for row in values]
        if all(len(row) in (2, 3) for row in rows):
            return rows
    raise _wrong(name, "a list of (label, id) or (label, id, emoji)", values)


def need_function(name: str, value: T) -> T:
    """What can be called."""
    # Not narrowed by the checker: "what can be called and is a T" has no name that it could write down.
    given: Any = value
    if not callable(given):
        raise _wrong(name, "a function", value)
    return value


def need_texts(name: str, values: object) -> list[str]:
    """Some texts; a single one is itself a list of one."""
    listed = [values] if isinstance(values, str) else list(values) if isinstance(values, Iterable) else None
    if listed is None or not all(isinstance(value, str) for value in listed):
        raise _wrong(name, "a list of texts", values)
    return listed


def _wrong(name: str, expected: str, value: object) -> ArgumentError:
    shown = repr(value)
    error = ArgumentError(expected, shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]}…")
    error.name_it(name)
    return error
