"""Bodies that nobody takes, and those that just fit."""

from typing import Any

from vectors.encoding import Body, pack
from vectors.kinds import REQUEST, inbound, outbound


def without(body: Body, *names: str) -> Body:
    return {key: value for key, value in body.items() if key not in names}


def refused() -> list[Body]:
    """Bodies that nobody takes, with the code that reader and publisher get, and the field that the error names."""
    least, message = inbound(), outbound("message", {}, text="hi")
    buttons = outbound("buttons", {"view": [{"label": 1, "custom_id": "y"}]}, text="choose")
    bodies: list[tuple[str, str, Any, str]] = [
        ("inbound", "wrong type: number for text", {**least, "channel_id": 5}, "channel_id"),
        ("inbound", "wrong type: text for number", {**least, "timestamp": "now"}, "timestamp"),
        ("inbound", "wrong type: nil for text", {**least, "user_id": None}, "user_id"),
        ("inbound", "wrong type: bytes that are not UTF-8", {**least, "content": b"\xff"}, "content"),
        ("inbound", "wrong type: text for truth value", {**least, "is_dm": "no"}, "is_dm"),
        ("inbound", "wrong type: map for list", {**least, "attachments": {}}, "attachments"),
        ("inbound", "wrong type: text in a list of maps", {**least, "attachments": [{}, "a"]}, "attachments[1]"),
        ("inbound", "wrong type: number in a list of texts", {**least, "member_roles": ["a", 1]}, "member_roles[1]"),
        ("inbound", "wrong type: list for map", {**least, "extra": []}, "extra"),
        ("inbound", "a list instead of a map", [least], ""),
        ("inbound", "nil instead of a map", None, ""),
        *(
            (("inbound", f"missing: {name}", without(least, name), name))
            for name in ("platform", "channel_id", "user_id", "username", "content", "message_id", "timestamp")
        ),
        ("outbound", "missing: type", without(message, "type"), "type"),
        ("outbound", "missing: channel_id", without(message, "channel_id"), "channel_id"),
        ("outbound", "wrong type: type", {**message, "type": 1}, "type"),
        ("outbound", "unknown type", {**message, "type": "massage"}, "type"),
        ("outbound", "wrong type inside a button", buttons, "view[0].label"),
        ("outbound", "no base64", outbound("file", {"filename": "f", "mimetype": "a/b", "data": "a?"}), "data"),
        ("tool_request", "missing: reply_to", without(REQUEST, "reply_to"), "reply_to"),
        ("tool_request", "missing: correlation_id", without(REQUEST, "correlation_id"), "correlation_id"),
        ("tool_request", "wrong type: arguments", {**REQUEST, "arguments": [1]}, "arguments"),
        ("tool_request", "wrong type: a deadline before 1970", {**REQUEST, "deadline_ms": -1}, "deadline_ms"),
        ("tool_reply", "neither result nor error", {"correlation_id": "7f", "writeback": {}}, "result"),
        ("tool_reply", "missing: correlation_id", {"result": 1}, "correlation_id"),
        ("tool_reply", "wrong type: error", {"correlation_id": "7f", "error": 5}, "error"),
        ("tool_reply", "wrong type inside an error", {"correlation_id": "7f", "error": {"code": 5}}, "error.code"),
    ]
    rows: list[Body] = [
        {"kind": kind, "name": name, "hex": pack(body).hex(), "field": field, "read": "malformed", "publish": "invalid"}
        for kind, name, body, field in bodies
    ]
    whole = pack(least)
    # The last two pairs are the second and third of a channel_id given twice.
    twice = b"\xde\x00\x18" + whole[3:] + pack("channel_id") + pack("c2")
    damaged: list[tuple[str, str, bytes]] = [
        ("inbound", "no bytes at all", b""),
        ("inbound", "not msgpack: JSON", b'{"channel_id": "c1"}'),
        ("inbound", "not msgpack: the reserved byte", b"\xc1"),
        ("inbound", "cut in the middle", whole[:-1]),
        ("inbound", "cut after the head", whole[:3]),
        ("inbound", "a byte behind the end", whole + b"\x00"),
        ("inbound", "text that is not UTF-8", whole.replace(b"Berlin?", b"Berl\xedn?")),
        ("inbound", "text with half a surrogate pair", whole.replace(b"Berlin?", b"Ber\xed\xa0\x80?")),
        ("inbound", "a field given twice", twice),
        ("plain", "a key that is a number", pack({1: 2})),
        ("plain", "a key that is nil", pack({None: 2})),
        ("plain", "a key of bytes that are not UTF-8", pack({b"\xff": 2})),
        ("plain", "a key that is a number, deep inside", pack([{"a": [{"b": {True: 2}}]}])),
        ("plain", "a list that promises four thousand million items", bytes.fromhex("ddffffffff")),
        ("plain", "a map that promises four thousand million pairs", bytes.fromhex("dfffffffff")),
        ("plain", "a text that promises four thousand million bytes", bytes.fromhex("dbffffffff61")),
        ("plain", "bytes that promise four thousand million", bytes.fromhex("c6ffffffff61")),
        ("plain", "an extension that promises four thousand million", bytes.fromhex("c9ffffffff0561")),
        ("plain", "the reserved byte inside a list", b"\x91\xc1"),
    ]
    rows += [
        {"kind": kind, "name": name, "hex": data.hex(), "read": "malformed", "publish": "invalid"}
        for kind, name, data in damaged
    ]
    long_key = "c" * 513
    rows.append(
        {
            "kind": "inbound",
            "name": "a lane of more than 512 bytes",
            "hex": pack(inbound(channel_key=long_key)).hex(),
            "field": "channel_key",
            "read": None,
            "publish": "invalid",
        }
    )
    # Too long to be spelled: ``start``, then ``unit`` as often as ``count`` says, then ``end``.
    too_large: list[tuple[str, str, str, str, int, str]] = [
        ("plain", "65 lists inside each other", "", "91", 64, "90"),
        ("plain", "a million lists inside each other", "", "91", 1_000_000, "c0"),
        ("plain", "a million maps inside each other", "", "81a161", 1_000_000, "c0"),
        ("inbound", "65 levels inside an envelope", "81a5" + b"extra".hex() + "81a161", "91", 62, "90"),
        ("plain", "16 MiB and a byte", "c600fffffc", "00", 2**24 - 4, ""),
        ("plain", "a million and one values", "dd000f4240", "c0", 1_000_000, ""),
    ]
    rows += [
        {"kind": kind, "name": name, "built": [start, unit, count, end], "read": "too_large", "publish": "too_large"}
        for kind, name, start, unit, count, end in too_large
    ]
    return rows


def just_fit() -> list[Body]:
    """Bodies at the limits, which are taken; built like those that are not."""
    fits: list[tuple[str, str, str, int, str]] = [
        ("64 lists inside each other", "", "91", 63, "90"),
        ("16 MiB", "c600fffffb", "00", 2**24 - 5, ""),
        ("a million values", "dd000f423f", "c0", 999_999, ""),
    ]
    return [{"kind": "plain", "name": name, "built": [*parts]} for name, *parts in fits]
