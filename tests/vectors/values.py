"""Single values: every form that msgpack has, at the edges where the form changes."""

import math
from typing import Any

import msgpack  # type: ignore[import-untyped]
from vectors.encoding import UNICODE, Body, Repeat, pack, tagged


def values() -> list[Body]:
    plain: dict[str, Any] = {
        "nil": None,
        "true": True,
        "false": False,
        "text, empty": "",
        "text of every script": UNICODE,
        "bytes, empty": b"",
        "bytes of every value": bytes(range(256)),
        "list, empty": [],
        "list of everything": [None, True, 1, -1, 0.5, "a", b"a", [], {}, [[["deep"]]]],
        "map, empty": {},
        "map in its order": {"b": 1, "a": {"d": [1, 2], "c": None}, "": "empty key", "ключ": "значение"},
        "extension of the user's": msgpack.ExtType(5, b"abc"),
        "a time, which is an extension of type -1": msgpack.Timestamp(1767225600, 0),
    }
    for bits in (5, 7, 8, 15, 16, 31, 32, 63, 64):
        for n in (2**bits - 1, 2**bits, -(2**bits), -(2**bits) - 1):
            if -(2**63) <= n < 2**64:
                plain[f"integer {n}"] = n
    plain["integer 0"] = 0
    for x in (0.0, -0.0, 1.0, 0.1, 1 / 3, 1e16, 1e-7, 5e-324, 1.7976931348623157e308, 1767225600.25):
        plain[f"float {x!r}"] = x
    for x in (math.nan, math.inf, -math.inf):
        plain[f"float {x!r}"] = x
    for n in (1, 31, 32, 255, 256):
        plain[f"text of {n}"] = "x" * n
        plain[f"bytes of {n}"] = b"\xff" * n
    for n in (1, 15, 16):
        plain[f"list of {n}"] = list(range(n))
        plain[f"map of {n}"] = {f"k{i}": i for i in range(n)}
    for n in (1, 2, 3, 4, 8, 16, 17, 255, 256):
        plain[f"extension of {n}"] = msgpack.ExtType(7, b"\x01" * n)
    rows = [{"name": name, "value": tagged(value), "hex": pack(value).hex()} for name, value in plain.items()]
    long = {
        "text of 65535": Repeat("x", 65535),
        "text of 65536": Repeat("x", 65536),
        "text of 100000 two-byte characters": Repeat("ü", 100000),
        "bytes of 65535": Repeat(b"\x00", 65535),
        "bytes of 65536": Repeat(b"\x00", 65536),
        "list of 65535": Repeat([1], 65535),
        "list of 65536": Repeat([1], 65536),
    }
    for name, repeat in long.items():
        packed = pack(repeat.value())
        rows.append({"name": name, "value": tagged(repeat), "head": packed[:16].hex(), "length": len(packed)})
    return rows


def other_forms() -> list[Body]:
    """Bytes that readers take although no writer of ours would put them so, and what we write instead."""
    rows: dict[str, tuple[str, Any]] = {
        "a whole number in 64 bits": ("d30000000000000001", 1),
        "a whole number without sign in 64 bits": ("cf0000000000000001", 1),
        "a negative number in 32 bits": ("d2ffffffff", -1),
        "a float of 32 bits": ("ca3f000000", 0.5),
        "a short text under a long head": ("db0000000161", "a"),
        "a short list under a long head": ("dd0000000101", [1]),
        "a short map under a long head": ("df00000001a16101", {"a": 1}),
        "a key as bytes": ("81c4016101", {"a": 1}),
        "an extension under a long head": ("c9000000010561", msgpack.ExtType(5, b"a")),
    }
    return [
        {"name": name, "hex": given, "value": tagged(value), "written": pack(value).hex()}
        for name, (given, value) in rows.items()
    ]
