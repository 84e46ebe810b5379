"""What stands beside a body: messages inside a process, dead letters."""

from vectors.encoding import UNICODE, Body, b64, pack, tagged
from vectors.kinds import inbound


def messages() -> list[Body]:
    """Messages and their envelopes, each of which gives the other."""
    message: Body = {
        "platform": "redis",
        "channel_id": "i1",
        "user_id": "u1",
        "user_name": "Ann",
        "text": UNICODE,
        "is_addressed": True,
        "attachments": [
            {"data": b"\x89PNG\x00\xff", "mimetype": "image/png", "filename": "a.png", "source_url": ""},
        ],
        "channel_name": "lobby",
        "timestamp": 1767225600.5,
        "message_id": "m1",
        "reply_to_id": "m0",
        "extra": {"_response_nonce": "n-1", "thread": 5},
        "reactions": "👍×3",
        "unified_user_id": "uuid",
        "user_aliases": ["redis:u1"],
    }
    envelope = inbound(
        channel_key="redis:i1",
        platform="redis",
        channel_id="i1",
        content=UNICODE,
        attachments=[{"data": b64(b"\x89PNG\x00\xff"), "mimetype": "image/png", "filename": "a.png", "source_url": ""}],
        timestamp=1767225600.5,
        room_name="lobby",
        reply_to="m0",
        reactions="👍×3",
        unified_user_id="uuid",
        user_aliases=["redis:u1"],
        extra={"_response_nonce": "n-1", "thread": 5},
    )
    bare = {
        **message,
        "attachments": [],
        "channel_name": "",
        "reply_to_id": "",
        "reactions": "",
        "unified_user_id": None,
        "user_aliases": [],
        "is_addressed": False,
    }
    # What the envelope knows and the message has no member for rides in `extra`.
    lifted: Body = {"guild_id": "g1", "is_dm": True, "trace_id": "t", "embeds": [{"title": "t"}], "member_roles": ["a"]}
    bare_envelope = inbound(
        channel_key="redis:i1",
        platform="redis",
        channel_id="i1",
        content=UNICODE,
        timestamp=1767225600.5,
        is_addressed=False,
        **lifted,
    )
    rows = {"everything": (message, envelope), "fields in extra": ({**bare, "extra": lifted}, bare_envelope)}
    return [
        {"name": name, "since": 1, "message": tagged(message), "hex": pack(envelope).hex()}
        for name, (message, envelope) in rows.items()
    ]


def dead_letters() -> list[Body]:
    """Dead letters as fields in their order; ``history`` lists the earlier lives."""
    life: Body = {
        "original_stream": "s",
        "original_msg_id": "1767225600000-0",
        "group": "g",
        "consumer": "w-1",
        "reason": "rejected",
        "error": "no ☂",
        "attempt": 3,
        "first_at": 1767225600000,
        "dead_at": 1767225609000,
    }
    original: list[tuple[str, bytes]] = [
        ("original_stream", b"s"),
        ("original_msg_id", b"1767225600000-0"),
        ("error", "no ☂".encode()),
        ("attempt", b"3"),
        ("data", pack(inbound())),
        ("ts", b"1767225600.25"),
        ("trace_id", b""),
    ]
    ours: list[tuple[str, bytes]] = [
        ("group", b"g"),
        ("reason", b"rejected"),
        ("first_at", b"1767225600000"),
        ("dead_at", b"1767225609000"),
        ("consumer", b"w-1"),
        ("key", b"web:c1"),
        ("mid", b"m1"),
        ("history", pack([life])),
    ]
    known = {key: life[key] for key in ("original_stream", "original_msg_id", "error", "attempt")}
    return [
        {
            "name": "the original's",
            "since": 1,
            "fields": [[k, v.hex()] for k, v in original],
            "life": known,
            "history": [],
        },
        {
            "name": "ours, the second life",
            "since": 1,
            "fields": [[k, v.hex()] for k, v in original + ours],
            "life": life,
            "history": [life],
        },
    ]
