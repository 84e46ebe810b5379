"""Bodies of each kind that readers take."""

from typing import Any

import msgpack  # type: ignore[import-untyped]
from vectors.encoding import UNICODE, Body, b64, pack, tagged


def inbound(**changed: Any) -> Body:
    """The 23 fields in their order, `extra` only where there is something in it."""
    channel = changed.get("channel_id", "c1")
    body: Body = {
        "channel_key": f"web:{channel}",
        "platform": "web",
        "channel_id": channel,
        "user_id": "u1",
        "username": "Ann",
        "display_name": None,
        "content": "Berlin?",
        "message_id": "m1",
        "timestamp": 1767225600.25,
        "attachments": [],
        "reply_to": None,
        "embeds": None,
        "room_name": None,
        "is_dm": False,
        "guild_id": None,
        "member_roles": [],
        "trace_id": "",
        "enqueued_at": 0.0,
        "is_addressed": True,
        "strangler_route": "microservice",
        "user_aliases": [],
        "unified_user_id": None,
        "reactions": "",
    }
    return {**body, **changed}


FULL = inbound(
    display_name="Ann 👩‍🚀",
    content=UNICODE,
    attachments=[
        {"data": b64(b"\x89PNG\r\n\x1a\n"), "mimetype": "image/png", "filename": "a.png", "source_url": ""},
        {
            "data": "",
            "mimetype": "text/plain",
            "filename": "leer.txt",
            "source_url": "https://example.org/x",
            "size": 0,
        },
    ],
    reply_to="m0",
    embeds=[{"title": "t", "fields": [{"name": "n", "inline": True}]}],
    room_name="lobby",
    is_dm=True,
    guild_id="g1",
    member_roles=["admin", "user"],
    trace_id="0af7651916cd43dd8448eb211c80319c",
    enqueued_at=1767225601.0,
    is_addressed=False,
    user_aliases=["web:u1", "discord:12345"],
    unified_user_id="7c9e6679-7425-40de-944b-e07fc1f90ae7",
    reactions="👍×3, 🔥×1",
    extra={"_response_nonce": "n-1", "thread": {"id": 5}},
)


def outbound(kind: str, own: Body, *, text: str | None = None, channel: str = "c1", tail: Body | None = None) -> Body:
    body: Body = {"channel_id": channel, "platform": "web", "type": kind}
    if text is not None:
        body["text"] = text
    return {**body, **own, **({"trace_id": ""} if tail is None else tail)}


REQUEST: Body = {
    "reply_to": "replies",
    "correlation_id": "7f",
    "tool_name": "weather",
    "arguments": {"city": "Berlin", "days": 3},
    "schema_hash": "",
    "platform": "web",
    "channel_id": "c1",
    "user_id": "u1",
    "user_name": "Ann",
    "guild_id": None,
    "message_id": "m1",
    "observability_request_id": "",
    "trace_id": "",
}


def accepted() -> list[Body]:
    """Bodies of each kind. ``hex`` is what our writers put for ``value``."""
    bodies: list[tuple[str, str, Body]] = [
        ("inbound", "the least", inbound()),
        ("inbound", "every field", FULL),
        ("inbound", "an empty text, no channel order", inbound(content="", is_addressed=False)),
        ("inbound", "strangers among the fields", inbound(zeta=msgpack.ExtType(7, b"z"), alpha=[1, {"x": b"\xff"}])),
        ("outbound", "message", outbound("message", {}, text="21 °C")),
        (
            "outbound",
            "message with everything",
            outbound(
                "message",
                {"reply_to": "m1"},
                text=UNICODE,
                tail={"message_key": "t:message:0", "trace_id": "t", "silent": True},
            ),
        ),
        ("outbound", "message, empty", outbound("message", {}, text="")),
        (
            "outbound",
            "file",
            outbound("file", {"filename": "a.bin", "mimetype": "image/png", "data": b64(bytes(range(256)))}),
        ),
        (
            "outbound",
            "file with a caption",
            outbound("file", {"filename": "leer", "mimetype": "text/plain", "data": ""}, text="look"),
        ),
        (
            "outbound",
            "buttons",
            outbound(
                "buttons",
                {
                    "view": [
                        {"label": "Yes", "emoji": "👍", "custom_id": "y"},
                        {"label": "No", "emoji": None, "custom_id": "n", "style": 2},
                    ]
                },
                text="choose",
            ),
        ),
        ("outbound", "reaction", outbound("reaction", {"message_id": "m1", "emoji": "🔥"})),
        ("outbound", "typing", outbound("typing", {})),
        ("outbound", "presence", outbound("presence", {"emoji": "💭"}, text="thinking", channel="")),
        (
            "outbound",
            "rpc",
            outbound(
                "rpc",
                {
                    "method": "fetch_history",
                    "params": {"channel_id": "c1", "limit": 100},
                    "reply_to": "r",
                    "correlation_id": "7f",
                    "deadline_ms": 1767225600000,
                },
                channel="",
            ),
        ),
        ("tool_request", "a call", REQUEST),
        ("tool_request", "a call with everything", {**REQUEST, "guild_id": "g", "deadline_ms": 1767225600000, "x": 1}),
        ("tool_request", "a call to be remembered", {**REQUEST, "deadline_ms": 1767225600000, "memo": "5f"}),
        ("tool_reply", "a result", {"correlation_id": "7f", "result": "21 °C", "writeback": {}, "trace_id": ""}),
        (
            "tool_reply",
            "a result of nothing",
            {"correlation_id": "7f", "result": None, "writeback": {}, "trace_id": ""},
        ),
        (
            "tool_reply",
            "a result with files",
            {
                "correlation_id": "7f",
                "result": {"ok": True},
                "writeback": {
                    "sent_files": [{"filename": "a.png", "data": b"\x89PNG\x00\xff"}],
                    "injected_tools": ["t"],
                    "sent_rich_messages": [],
                },
                "trace_id": "t",
            },
        ),
        (
            "tool_reply",
            "an error",
            {
                "correlation_id": "7f",
                "error": {"code": "CATALOG_STALE", "message": "load it again", "detail": [1]},
                "writeback": {},
                "trace_id": "",
            },
        ),
        ("plain", "a map of the user's", {"order": 7, "items": [{"sku": "a", "n": 1}], "raw": b"\x00"}),
    ]
    return [
        {"kind": kind, "name": name, "since": 1, "value": tagged(body), "hex": pack(body).hex()}
        for kind, name, body in bodies
    ]


def tolerated() -> list[Body]:
    """Bodies that readers take; ``value`` is what they understand, ``publish`` the code that a publisher gets."""
    least = inbound()
    required = ("platform", "channel_id", "user_id", "username", "content", "message_id", "timestamp")
    message = outbound("message", {}, text="hi")
    file: Body = {"channel_id": "c1", "platform": "web", "type": "file", "filename": "f", "mimetype": "a/b"}
    data = outbound("file", {"filename": "f", "mimetype": "a/b", "data": b64(b"\x00\xff\x10")})
    rows: list[tuple[str, str, Any, Body, str | None]] = [
        ("inbound", "the fields backwards", dict(reversed(least.items())), least, None),
        ("inbound", "names as bytes", {key.encode(): value for key, value in least.items()}, least, None),
        ("inbound", "only what is required", {key: least[key] for key in required}, least, "invalid"),
        (
            "inbound",
            "only what a writer must put",
            {key: least[key] for key in ("channel_key", *required)},
            least,
            None,
        ),
        ("inbound", "whole numbers as times", {**least, "timestamp": 12}, {**least, "timestamp": 12.0}, None),
        ("inbound", "nil where there is a default", {**least, "trace_id": None, "attachments": None}, least, "invalid"),
        ("inbound", "texts as bytes", {**least, "channel_id": b"c1", "content": b"Berlin?"}, least, "invalid"),
        ("inbound", "a truth value as a number", {**least, "is_addressed": 1}, least, "invalid"),
        (
            "inbound",
            "an attachment of raw bytes",
            {**least, "attachments": [{"data": b"\x00\xff"}]},
            {**least, "attachments": [{"data": b"\x00\xff"}]},
            None,
        ),
        ("inbound", "an empty extra", {**least, "extra": {}}, least, None),
        (
            "outbound",
            "the type last",
            {k: message[k] for k in ("text", "channel_id", "platform", "trace_id", "type")},
            message,
            None,
        ),
        (
            "outbound",
            "no text",
            {"channel_id": "c1", "platform": "web", "type": "message"},
            {**message, "text": ""},
            "invalid",
        ),
        (
            "outbound",
            "no platform",
            {"channel_id": "c1", "type": "message", "text": "hi"},
            {**message, "platform": ""},
            None,
        ),
        ("outbound", "a file of raw bytes", {**file, "data": b"\x00\xff\x10"}, data, None),
        ("outbound", "base64 without padding", {**file, "data": "AP8Q\n"}, data, None),
        (
            "outbound",
            "a field of another type is a stranger",
            {**message, "emoji": 5},
            {**message, "emoji": 5},
            None,
        ),
        (
            "tool_request",
            "only what is documented",
            {"reply_to": "r", "correlation_id": "7f"},
            {
                **REQUEST,
                "reply_to": "r",
                "tool_name": "",
                "arguments": {},
                "platform": "",
                "channel_id": "",
                "user_id": "",
                "user_name": "",
                "message_id": "",
            },
            "invalid",
        ),
        (
            "tool_reply",
            "an error as a bare text, a result of nil beside it",
            {"correlation_id": "7f", "error": "boom", "result": None},
            {"correlation_id": "7f", "error": {"code": "", "message": "boom"}, "writeback": {}, "trace_id": ""},
            "invalid",
        ),
        (
            "tool_reply",
            "a result with an error of nil",
            {"correlation_id": "7f", "error": None, "result": "r"},
            {"correlation_id": "7f", "result": "r", "writeback": {}, "trace_id": ""},
            None,
        ),
    ]
    return [
        {
            "kind": kind,
            "name": name,
            "since": 1,
            "hex": pack(given).hex(),
            "value": tagged(value),
            "written": pack(value).hex(),
            "publish": publish,
        }
        for kind, name, given, value, publish in rows
    ]
