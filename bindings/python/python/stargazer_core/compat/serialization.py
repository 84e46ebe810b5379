"""The original's payloads: the msgpack in the field ``data`` of an entry."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stargazer_core import _native

__all__ = ["deserialize_stream_payload", "serialize_stream_payload"]


def serialize_stream_payload(payload: Mapping[str, Any]) -> bytes:
    """A payload as bytes: those of msgpack-python with ``use_bin_type=True``.

    Raises:
        InvalidError: something in it has no form on the wire; the error names where it stands.
        TooLargeError: it has more than 16 MiB, or is nested deeper than 64 levels.
    """
    return _native.encode(payload)


def deserialize_stream_payload(data: bytes | bytearray | memoryview | str | None) -> Any:
    """What the bytes of a payload say; text is taken as the bytes it was decoded from, nothing as an empty payload.

    Raises:
        MalformedError: these are not the bytes of a payload.
        TooLargeError: there are too many of them, or they are nested too deeply.
    """
    if not data:
        return {}
    return _native.decode(data.encode("utf-8", "surrogateescape") if isinstance(data, str) else bytes(data))
