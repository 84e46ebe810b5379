"""Payloads of events as JSON: whatever somebody hands over, in the bytes of ``json.dumps``. Never raises."""

from __future__ import annotations

import json
from typing import Any

__all__ = ["payload_json"]

#: Deeper than that nothing is looked at, so that every reader of ours can read it.
_DEEPEST = 60


def payload_json(payload: object) -> str:
    """The payload as it goes out; ``{}`` for what says nothing."""
    try:
        return json.dumps(_clean(payload or {}, ()), default=str)
    except Exception as trouble:
        return json.dumps(f"<not serialisable: {type(trouble).__name__}>")


def _clean(value: Any, inside: tuple[int, ...]) -> Any:
    """Scalars as they are, maps and sequences item by item, models as they dump themselves, other objects as their
    public attributes, the rest as text."""
    if value is None or isinstance(value, str | int | float | bool):
        return value
    if id(value) in inside:
        return "<cycle>"
    if len(inside) >= _DEEPEST:
        return "<too deep>"
    inside = (*inside, id(value))
    if isinstance(value, dict):
        return {_key(key): _clean(item, inside) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_clean(item, inside) for item in value]
    return _object(value, inside)


def _object(value: Any, inside: tuple[int, ...]) -> Any:
    try:
        if hasattr(value, "model_dump"):
            return _clean(value.model_dump(mode="json"), inside)
        if hasattr(value, "__dict__"):
            return {key: _clean(item, inside) for key, item in vars(value).items() if not key.startswith("_")}
    except Exception:
        return _text(value)
    return _text(value)


def _key(key: Any) -> Any:
    """``json.dumps`` has a form for these; other keys become text."""
    return key if key is None or isinstance(key, str | int | float | bool) else _text(key)


def _text(value: object) -> str:
    try:
        return str(value)
    except Exception:
        return f"<{type(value).__name__}>"
