"""What is given to an instance of the Redis platform as a message."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypedDict

from stargazer_core.arguments import maybe_map, need_all
from stargazer_core.errors import InvalidError
from stargazer_core.platform.messages import Attachment

__all__ = ["Injection"]


class Injection(TypedDict, total=False):
    """What may be said of a message that is given to an instance, besides its text and who wrote it."""

    #: Whether the bot is meant. Yes.
    is_addressed: bool
    #: Files. None.
    attachments: Iterable[Attachment]
    #: Name of the channel.
    channel_name: str
    #: Its id; the same one for the same instance is taken once. Made up.
    message_id: str
    #: Id of the message it answers.
    reply_to_id: str
    #: Whatever else the workers are to be told.
    extra: Mapping[str, Any] | None
    #: Summary of the reactions.
    reactions: str
    #: What the end of the turn is told under; none: it is not told.
    response_nonce: str


def injection(instance_id: str, text: str, user_id: str, user_name: str, more: Mapping[str, Any]) -> dict[str, Any]:
    """As the core reads it.

    Raises:
        InvalidError: something that is said of it is unknown, or of the wrong type.
    """
    known = Injection.__annotations__
    for name in more:
        if name not in known:
            raise InvalidError(f"an injected message has no {name!r}; known are: {', '.join(known)}", {"field": name})
    attachments = need_all("attachments", more.get("attachments", ()), Attachment)
    return {
        **more,
        "instance_id": instance_id,
        "text": text,
        "user_id": user_id,
        "user_name": user_name,
        "attachments": [one.to_map() for one in attachments],
        "extra": maybe_map("extra", more.get("extra")),
    }
