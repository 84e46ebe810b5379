"""Arguments that Python takes in any type and the core does not: refused here, by name, as ``InvalidError``."""

from __future__ import annotations

from stargazer_core.errors import InvalidError

__all__ = ["need_count", "need_seconds"]

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


def _wrong(name: str, expected: str, value: object) -> InvalidError:
    context = {"argument": name, "expected": expected}
    return InvalidError(f"{name} must be {expected}, found {value!r}", context)
