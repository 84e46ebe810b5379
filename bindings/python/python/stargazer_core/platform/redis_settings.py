"""Settings of the Redis platform."""

from __future__ import annotations

from typing import Any, TypedDict

from stargazer_core.errors import InvalidError
from stargazer_core.part import millis

__all__ = ["RedisPlatformSettings"]


class RedisPlatformSettings(TypedDict, total=False):
    """Settings of the Redis platform. Times are seconds."""

    #: Write what processes of the original read: keys in clear, files as base64 text, ids in key names as they are. No.
    legacy_writes: bool
    #: Ids stand in key names as they are. No.
    plain_ids: bool
    #: How long a file is kept. 24 hours.
    file_ttl: float
    #: Bytes of the largest file. 16 MiB.
    max_file_bytes: int
    #: Address of a file: this, its id, its name, with slashes between. ``/redis-platform/files``.
    file_url: str
    #: Replies kept of an instance, about. 1000.
    replies_max_len: int
    #: How long after the last one an instance's replies are kept. 24 hours.
    replies_ttl: float
    #: Replies kept of a turn, about. 1000.
    turn_max_len: int
    #: How long after its last reply a turn is kept. 15 minutes.
    turn_ttl: float
    #: Bytes of metadata that an instance or a user may carry. 64 KiB.
    max_metadata_bytes: int
    #: Id of the bot. ``star``.
    bot_id: str
    #: Name of the bot. ``Star``.
    bot_name: str
    #: Inferred: field of a file's hash with base64 text. ``data``.
    file_field: str
    #: Inferred: lock of the one who waits for an instance's replies.
    wait_lock: str
    #: Inferred: keys of the original's pipeline that go with an instance, ``{id}`` for its id.
    channel_state: list[str]
    #: Inferred: member of a reply with the message's id. ``message_id``.
    reply_message_id: str
    #: Inferred: member of a reply with the file's id. ``file_id``.
    reply_file_id: str
    #: Inferred: member of a reply with the file's address. ``url``.
    reply_url: str
    #: Inferred: member of a reply with the nonce. ``nonce``.
    reply_nonce: str


#: Settings that are times.
_TIMES = ("file_ttl", "replies_ttl", "turn_ttl")


def plain(settings: RedisPlatformSettings) -> dict[str, Any]:
    """As the core reads them.

    Raises:
        InvalidError: there is no such setting, or a time is none.
    """
    known = RedisPlatformSettings.__annotations__
    for name in settings:
        if name not in known:
            text = f"the redis platform has no setting {name!r}; known are: {', '.join(known)}"
            raise InvalidError(text, {"setting": name})
    given: dict[str, Any] = dict(settings)
    for name in _TIMES:
        time = millis(name, given.pop(name, None))
        if time is not None:
            given[f"{name}_ms"] = round(time)
    return given
