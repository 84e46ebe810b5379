"""Messages as adapters and message handlers know them, and what an adapter is told about a send."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from stargazer_core import _native
from stargazer_core.arguments import need_all, need_map
from stargazer_core.envelope import Inbound

__all__ = [
    "Attachment",
    "BotIdentity",
    "Button",
    "File",
    "HistoricalMessage",
    "IncomingMessage",
    "MessageUpdate",
    "SendContext",
    "TurnEnd",
]


@dataclass
class Attachment:
    """A file of a message, already downloaded."""

    #: Its bytes.
    data: bytes
    #: Its type.
    mimetype: str = "application/octet-stream"
    #: Its name.
    filename: str = ""
    #: Where it came from, ``""`` for unknown.
    source_url: str = ""
    #: Keys that we do not know; written back.
    rest: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def from_map(cls, row: Mapping[str, Any]) -> Attachment:
        """From a map with the names of the members."""
        known = {name: row[name] for name in ("mimetype", "filename", "source_url") if name in row}
        return cls(row.get("data", b""), **known, rest=_rest(row, "data", *known))

    def to_map(self) -> dict[str, Any]:
        """The other way round; the bytes stay bytes."""
        named = {"data": self.data, "mimetype": self.mimetype, "filename": self.filename, "source_url": self.source_url}
        return {**named, **need_map("rest", self.rest)}


@dataclass
class IncomingMessage:
    """A message inside a process.

    What an envelope has beyond these members stands in ``extra`` under its name: ``display_name``, ``guild_id``,
    ``is_dm``, ``member_roles``, ``embeds``, ``trace_id``, ``enqueued_at``, ``channel_key``.
    """

    #: ``discord``, ``matrix``, ``redis``, ``web``, …; an intake fills its own in.
    platform: str
    #: Channel on the platform.
    channel_id: str
    #: Who wrote it.
    user_id: str
    #: Name of who wrote it.
    user_name: str
    #: The text.
    text: str
    #: Whether the bot is meant.
    is_addressed: bool = True
    #: Files.
    attachments: list[Attachment] = field(default_factory=list)
    #: Name of the channel, ``""`` for none.
    channel_name: str = ""
    #: When it was written, epoch seconds UTC; now unless given.
    timestamp: float = field(default_factory=time.time)
    #: Its id on the platform; an intake makes one up when it is empty.
    message_id: str = ""
    #: Id of the message it answers, ``""`` for none.
    reply_to_id: str = ""
    #: What the adapter added, ``_response_nonce`` among it.
    extra: dict[str, Any] = field(default_factory=dict)
    #: Summary of the reactions, such as ``👍×3, 🔥×1``.
    reactions: str = ""
    #: Id of the writer across platforms.
    unified_user_id: str | None = None
    #: Every name of the writer, such as ``discord:12345``.
    user_aliases: list[str] = field(default_factory=list)

    def to_inbound_envelope(self) -> Inbound:
        """The envelope of this message; :meth:`from_inbound_envelope` takes it back.

        Raises:
            InvalidError: a member has the wrong type.
        """
        return Inbound(_native.convert("to_inbound_envelope", {"message": self.to_map()}))

    @classmethod
    def from_inbound_envelope(cls, envelope: Mapping[str, Any]) -> IncomingMessage:
        """The message of an envelope. Keys that the envelope does not know stay with the envelope.

        Raises:
            MalformedError: it is no inbound envelope, or an attachment is none.
        """
        return cls.from_map(_native.convert("from_inbound_envelope", {"envelope": need_map("envelope", envelope)}))

    @classmethod
    def from_map(cls, row: Mapping[str, Any]) -> IncomingMessage:
        """From a map with the names of the members."""
        return cls(**{**row, "attachments": [Attachment.from_map(one) for one in row.get("attachments", ())]})

    def to_map(self) -> dict[str, Any]:
        """The other way round."""
        attachments = need_all("attachments", self.attachments, Attachment)
        return {**self.__dict__, "attachments": [attachment.to_map() for attachment in attachments]}


@dataclass
class HistoricalMessage:
    """A message of a channel's past."""

    #: Who wrote it.
    user_id: str
    #: Name of who wrote it.
    user_name: str
    #: The text.
    text: str
    #: When it was written, epoch seconds UTC.
    timestamp: float
    #: Its id on the platform.
    message_id: str = ""
    #: Whether a bot wrote it.
    is_bot: bool = False
    #: Id of the message it answers, ``""`` for none.
    reply_to_id: str = ""
    #: Summary of the reactions.
    reactions: str = ""
    #: Keys that we do not know; written back.
    rest: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def from_map(cls, row: Mapping[str, Any]) -> HistoricalMessage:
        """From a map with the names of the members."""
        known = {name: row[name] for name in cls.__dataclass_fields__ if name != "rest" and name in row}
        return cls(**known, rest=_rest(row, *known))

    def to_map(self) -> dict[str, Any]:
        """The other way round."""
        return {**{name: value for name, value in self.__dict__.items() if name != "rest"}, **self.rest}


@dataclass
class MessageUpdate:
    """A change of a message that was received before. It travels as an unaddressed message with the id of that one."""

    #: What happened: ``edited``, ``deleted`` or ``reactions``.
    kind: Literal["edited", "deleted", "reactions"]
    #: Channel on the platform.
    channel_id: str
    #: Id of the message it is about.
    message_id: str
    #: The text that it has now; only of ``edited``.
    text: str = ""
    #: Summary of the reactions that it has now; only of ``reactions``.
    reactions: str = ""
    #: Who did it, ``""`` for unknown.
    user_id: str = ""
    #: Name of who did it, ``""`` for unknown.
    user_name: str = ""
    #: When it happened, epoch seconds UTC; 0 for now.
    timestamp: float = 0.0
    #: What the adapter added.
    extra: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of_inbound(cls, envelope: Mapping[str, Any]) -> MessageUpdate | None:
        """The update that an envelope is; ``None`` when it is a message.

        Raises:
            MalformedError: it is an update that we do not know.
        """
        row = _native.convert("update_of_inbound", {"envelope": need_map("envelope", envelope)})
        return None if row is None else cls(**row)


@dataclass
class BotIdentity:
    """The bot on one platform."""

    #: The platform.
    platform: str
    #: The bot's id there, ``""`` for unknown.
    user_id: str = ""
    #: Its name as people see it.
    display_name: str | None = None
    #: What people write to address it.
    mention: str | None = None
    #: Keys that we do not know; written back.
    rest: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def from_map(cls, row: Mapping[str, Any]) -> BotIdentity:
        """From a map with the names of the members."""
        known = {name: row[name] for name in ("platform", "user_id", "display_name", "mention") if name in row}
        return cls(**known, rest=_rest(row, *known))

    def to_map(self) -> dict[str, Any]:
        """The other way round; what is not there is left out."""
        named = {name: value for name, value in self.__dict__.items() if name != "rest" and value is not None}
        return {**named, **self.rest}


@dataclass
class File:
    """A file to be sent."""

    #: Its name.
    filename: str
    #: Its bytes.
    data: bytes
    #: Its type.
    mimetype: str = "application/octet-stream"


@dataclass
class Button:
    """A button below a text."""

    #: What it says.
    label: str
    #: What is sent back when it is pressed.
    custom_id: str
    #: A picture on it.
    emoji: str | None = None


@dataclass
class SendContext:
    """What an adapter is told about a send besides what is to be sent."""

    #: Key of the send, the same whenever it is tried: what a platform with keys of its own is to be given. ``None``
    #: when the sender gave none.
    message_key: str | None = None
    #: Whether it may have been sent before: an earlier try began, and how it ended nobody knows.
    may_be_repeat: bool = False
    #: Which try this is, from 1.
    attempt: int = 1
    #: Id of the message it answers.
    reply_to: str | None = None
    #: Text beside a file, ``""`` for none.
    caption: str = ""
    #: Trace id, ``""`` for none.
    trace_id: str = ""
    #: What else the sender said.
    rest: dict[str, Any] = field(default_factory=dict)


@dataclass
class TurnEnd:
    """How a turn ended, as an adapter is told."""

    #: The asker's nonce.
    nonce: str
    #: Why it was given up; ``None`` when everything was said.
    error: str | None = None
    #: Trace id, ``""`` for none.
    trace_id: str = ""

    @property
    def status(self) -> Literal["completed", "failed"]:
        """``completed`` or ``failed``."""
        return "completed" if self.error is None else "failed"


def _rest(row: Mapping[str, Any], *known: str) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in known}
