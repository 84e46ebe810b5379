"""What all vectors are made of: the independent encoder, and JSON that loses nothing."""

import base64
import math
from typing import Any

import msgpack  # type: ignore[import-untyped]

Body = dict[str, Any]

# Text that goes wrong where somebody counts characters, folds, cuts or reverses.
UNICODE = "Grüße 👩‍👩‍👧‍👦 👍🏽 שלום \u202bعربى\u202c 漢字 e\u0301 \u0000 \ufeff 𝄞"


def pack(value: Any) -> bytes:
    """The bytes that the original writes: text and bytes apart, floats with 64 bits, shortest whole numbers."""
    return bytes(msgpack.packb(value, use_bin_type=True))


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def tagged(value: Any) -> Any:
    """A value as JSON that loses nothing: what JSON lacks, or its readers mix up, is a map with a ``$`` key."""
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return value
    if isinstance(value, int):
        return value if abs(value) < 2**53 else {"$int": str(value)}
    if isinstance(value, float):
        return value if math.isfinite(value) and not value.is_integer() else {"$float": repr(value)}
    if isinstance(value, bytes):
        return {"$bytes": value.hex()}
    if isinstance(value, msgpack.ExtType):
        return {"$ext": [value.code, value.data.hex()]}
    if isinstance(value, msgpack.Timestamp):
        return {"$ext": [-1, value.to_bytes().hex()]}
    if isinstance(value, Repeat):
        return {"$repeat": [tagged(value.unit), value.count]}
    if isinstance(value, list):
        return [tagged(item) for item in value]
    return {key: tagged(item) for key, item in value.items()}


class Repeat:
    """A long text, or long bytes, or a long list of one item, told by what it repeats."""

    def __init__(self, unit: Any, count: int) -> None:
        self.unit, self.count = unit, count

    def value(self) -> Any:
        return self.unit * self.count if isinstance(self.unit, str | bytes) else [self.unit[0]] * self.count
