"""Arguments that Python takes in any type and the core does not: refused here, by name."""

from __future__ import annotations

from collections.abc import Iterable

from stargazer_core.errors import ArgumentError

__all__ = ["need_count", "need_seconds", "need_texts"]

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


def need_texts(name: str, values: object) -> list[str]:
    """Some texts; a single one is itself a list of one."""
    listed = [values] if isinstance(values, str) else list(values) if isinstance(values, Iterable) else None
    if listed is None or not all(isinstance(value, str) for value in listed):
        raise _wrong(name, "a list of texts", values)
    return listed


def _wrong(name: str, expected: str, value: object) -> ArgumentError:
    error = ArgumentError(expected, repr(value))
    error.name_it(name)
    return error
