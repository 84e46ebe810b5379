"""What the Redis platform keeps and tells: instances, users, replies, files, and what became of a call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from stargazer_core._native import Receipt

__all__ = [
    "CreatedInstance",
    "DeletedInstance",
    "Injected",
    "Instance",
    "Listing",
    "Replies",
    "Reply",
    "Skipped",
    "StoredFile",
    "User",
]

T = TypeVar("T")


@dataclass(frozen=True)
class CreatedInstance:
    """A new instance and its key, which is shown here and never again."""

    #: Its id.
    instance_id: str
    #: Its key. Only a hash of it is kept.
    api_key: str

    def __repr__(self) -> str:
        """Without the key, which belongs into no log."""
        return f"CreatedInstance(instance_id={self.instance_id!r})"


@dataclass(frozen=True)
class Instance:
    """An instance: one conversation with its own key, whose id is the channel's id."""

    #: Its id.
    instance_id: str
    #: Its name for people.
    display_name: str
    #: When it was made: UTC, ISO 8601; ``""`` where the record does not say.
    created_at: str
    #: What its creator said beside that: texts, in the order of their names.
    metadata: Mapping[str, str]


@dataclass(frozen=True)
class User:
    """A user of an instance."""

    #: Its id.
    user_id: str
    #: Its name for people and in the conversation.
    display_name: str
    #: Whatever else its registrar said.
    metadata: Mapping[str, Any]
    #: When it was registered: UTC, ISO 8601; ``""`` where the record does not say.
    registered_at: str


@dataclass(frozen=True)
class Skipped:
    """A record that a list leaves out."""

    #: Id of what it would be.
    id: str
    #: What is wrong with it.
    reason: str


@dataclass(frozen=True)
class Listing(Generic[T]):
    """A list, and what could not be read for it."""

    #: What could be read, in the order of their ids.
    items: Sequence[T]
    #: Records that are broken or missing; a warning of each was logged.
    skipped: Sequence[Skipped]


@dataclass(frozen=True)
class DeletedInstance:
    """What deleting an instance found."""

    #: Its id.
    instance_id: str
    #: Whether there was such an instance.
    existed: bool
    #: Keys that were removed, all in all.
    keys: int
    #: Users that were on its roster.
    users: int
    #: Files that were kept.
    files: int
    #: Turns that were kept.
    turns: int
    #: What was odd: ``unknown_instance``, ``no_record``, ``no_key``.
    warnings: Sequence[str]


@dataclass(frozen=True)
class Injected:
    """What became of an injected message."""

    #: Its id.
    message_id: str
    #: Trace id of its turn, under which everything that is said for it is found; ``""`` for a double.
    trace_id: str
    #: Where it is stored. ``duplicate``: a message of this id was taken before.
    receipt: Receipt


@dataclass(frozen=True)
class Reply:
    """One thing that was said to an instance."""

    #: Where it stands: what comes next is read after this.
    id: str
    #: What is said: ``type`` and the members of that type.
    body: Mapping[str, Any]
    #: Trace id of the turn it belongs to, ``""`` for none.
    trace_id: str

    @property
    def kind(self) -> str:
        """``message``, ``file``, ``reaction`` or ``turn_complete``."""
        kind = self.body.get("type", "")
        return kind if isinstance(kind, str) else ""


@dataclass(frozen=True)
class Replies:
    """Replies, and where to read on."""

    #: In the order in which they were said.
    items: Sequence[Reply]
    #: The last id that was read: that of the call when there was nothing.
    next: str
    #: What was read up to is not kept any more, so something behind it may be gone as well.
    gap: bool


@dataclass(frozen=True)
class StoredFile:
    """A file that was sent to an instance."""

    #: Its id.
    file_id: str
    #: Its name.
    filename: str
    #: Its type.
    mimetype: str
    #: When it was stored: UTC, ISO 8601.
    timestamp: str
    #: The instance it was sent to.
    channel_id: str
    #: Its bytes.
    data: bytes


def listing(kind: type[T], row: dict[str, Any]) -> Listing[T]:
    """A list as the core gives it."""
    return Listing([kind(**one) for one in row["items"]], [Skipped(**one) for one in row["skipped"]])


def replies(row: dict[str, Any]) -> Replies:
    """Replies as the core gives them."""
    return Replies([Reply(**one) for one in row["items"]], row["next"], row["gap"])
