"""The values of the vectors, whose notation ``tests/vectors/README.md`` explains, as Python objects."""

import json
from pathlib import Path
from typing import Any

import msgpack  # type: ignore[import-untyped]
import stargazer_core as sg

VECTORS = Path(__file__).resolve().parents[1] / "vectors"


def load(name: str) -> Any:
    """A file of vectors."""
    return json.loads((VECTORS / name).read_text(encoding="utf-8"))


def plain(value: Any) -> Any:
    """The object that a value stands for."""
    if isinstance(value, list):
        return [plain(item) for item in value]
    if not isinstance(value, dict):
        return value
    if len(value) == 1:
        match value:
            case {"$bytes": text}:
                return bytes.fromhex(text)
            case {"$ext": [-1, text]}:
                return msgpack.Timestamp.from_bytes(bytes.fromhex(text)).to_datetime()
            case {"$ext": [tag, text]}:
                return sg.Ext(tag, bytes.fromhex(text))
            case {"$float": text}:
                return float(text)
            case {"$int": text}:
                return int(text)
            case {"$repeat": [item, times]}:
                return plain(item) * times
    return {key: plain(item) for key, item in value.items()}


def spelled(row: dict[str, Any]) -> bytes:
    """The bytes of a body."""
    if "hex" in row:
        return bytes.fromhex(row["hex"])
    start, unit, count, end = row["built"]
    body: bytes = bytes.fromhex(start) + bytes.fromhex(unit) * count + bytes.fromhex(end)
    return body
