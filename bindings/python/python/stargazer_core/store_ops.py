"""What a store and a batch ask for, as the core reads it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

from stargazer_core.arguments import need_map
from stargazer_core.errors import InvalidError
from stargazer_core.part import millis

#: What is kept: bytes, or a text as its UTF-8.
Data: TypeAlias = bytes | str


def keyed(op: str, key: str, **arguments: Any) -> dict[str, Any]:
    """An operation on a key."""
    return {"op": op, "key": key, **arguments}


def appended(
    stream: str, fields: Mapping[str, Data], max_len: int | None, approximate: bool, ttl: float | None
) -> dict[str, Any]:
    """An entry for a log."""
    options = {"max_len": max_len, "approximate": approximate, "ttl": millis("ttl", ttl)}
    return {"op": "log_append", "stream": stream, "fields": need_map("fields", fields), **options}


def scored(members: Mapping[Any, float]) -> list[list[Any]]:
    """Members with their scores.

    Raises:
        InvalidError: they are no map.
    """
    if not isinstance(members, Mapping):
        text = f"members must be a map of members to scores, found {members!r}"
        raise InvalidError(text, {"argument": "members"})
    return [[member, score] for member, score in members.items()]
