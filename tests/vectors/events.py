"""Lifecycle events, which are JSON."""

import json
import math
from typing import Any

from vectors.encoding import UNICODE, Body, tagged


def event(**changed: Any) -> Body:
    return {
        "schema_version": "1",
        "kind": "phase.complete",
        "arena": "trading_intelligence",
        "arena_id": "a1",
        "phase": "analysis",
        "ts": "2026-05-14T11:22:33.123456+00:00",
        "correlation_id": "0af7651916cd43dd8448eb211c80319c",
        "payload": {},
        **changed,
    }


def events() -> list[Body]:
    floats = [
        0.0,
        -0.0,
        1.0,
        0.1,
        1e15,
        1e16,
        1.5e300,
        0.0001,
        0.00001,
        940097477645821.25,
        5e-324,
        math.nan,
        math.inf,
        -math.inf,
    ]
    rows: dict[str, Body] = {
        "the least": event(arena="", arena_id="", phase="", kind="agent.start"),
        "numbers": event(payload={"floats": floats, "whole": [0, -1, 2**53 + 1, 2**63, -(2**63)]}),
        "text of every script": event(payload={"text": UNICODE, 'key "ü"\\\n': "\x7f\x1f"}),
        "what JSON cannot hold": event(payload={"bytes": b"a'\"\\\n\x00\xff", "quote": b"'", "list": [b""]}),
        "nested": event(payload={"a": [1, [2, {"b": None, "c": [True, False]}], {}], "d": []}),
        "strangers": event(host="h1", shard=3),
    }
    return [
        {"name": name, "since": 1, "value": tagged(body), "text": json.dumps(body, default=str)}
        for name, body in rows.items()
    ]


def refused_events() -> list[Body]:
    rows = {
        "no JSON": ("{", ""),
        "a list": ("[]", ""),
        "wrong type: kind": ('{"kind": 5}', "kind"),
        "wrong type: payload": ('{"kind": "a.b", "payload": []}', "payload"),
        "missing: kind": ("{}", "kind"),
        "half a surrogate pair": ('{"kind": "\\ud800"}', ""),
        "a number beyond 64 bits": ('{"kind": "a.b", "n": 18446744073709551616}', ""),
    }
    return [{"name": name, "text": text, "field": field, "read": "malformed"} for name, (text, field) in rows.items()]
