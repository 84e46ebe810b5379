"""Envelopes: what travels on the chat streams.

They are dicts with the wire's keys and values, and have their fields as attributes, too: an attribute has a type, and
stands for what readers assume where the key is missing. Keys that we do not know stay where they are and are written
back. A plain dict is accepted wherever an envelope is, and checked when it is published.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar, overload

from stargazer_core import _native
from stargazer_core.arguments import need_bytes, need_map, need_rows

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = [
    "Inbound",
    "Outbound",
    "buttons",
    "file",
    "inbound",
    "message",
    "presence",
    "reaction",
    "rpc",
    "typing",
]

T = TypeVar("T")


class _Field(Generic[T]):
    """A key as an attribute."""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    @overload
    def __get__(self, envelope: None, owner: type) -> Self: ...
    @overload
    def __get__(self, envelope: _Envelope, owner: type) -> T: ...
    def __get__(self, envelope: _Envelope | None, owner: type) -> Self | T:
        if envelope is None:
            return self
        value: T | None = envelope.get(self.name)
        # A default is copied, so that changing it changes nothing but this envelope's own attribute.
        return copy.copy(envelope._defaults.get(self.name)) if value is None else value  # type: ignore[return-value]

    def __set__(self, envelope: _Envelope, value: T) -> None:
        envelope[self.name] = value


class _Envelope(dict[str, Any]):
    _defaults: ClassVar[Mapping[str, Any]]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({super().__repr__()})"


class Inbound(_Envelope):
    """From a platform to the workers: one message that somebody wrote."""

    # The one field that is not written when it is empty.
    _defaults: ClassVar[Mapping[str, Any]] = {**_native.inbound_defaults(), "extra": {}}

    #: ``discord``, ``matrix``, ``web``, …
    platform: _Field[str] = _Field()
    #: Channel on the platform.
    channel_id: _Field[str] = _Field()
    #: Who wrote it.
    user_id: _Field[str] = _Field()
    #: Name of who wrote it.
    username: _Field[str] = _Field()
    #: Name as shown on the platform.
    display_name: _Field[str | None] = _Field()
    #: The text; empty where only a file was sent.
    content: _Field[str] = _Field()
    #: Id of the message on the platform.
    message_id: _Field[str] = _Field()
    #: When it was written, epoch seconds.
    timestamp: _Field[float] = _Field()
    #: Files, as dicts.
    attachments: _Field[list[dict[str, Any]]] = _Field()
    #: Id of the message it answers.
    reply_to: _Field[str | None] = _Field()
    #: Embedded cards of the platform.
    embeds: _Field[list[dict[str, Any]] | None] = _Field()
    #: Name of the channel.
    room_name: _Field[str | None] = _Field()
    #: Whether only the writer and the bot are in the channel.
    is_dm: _Field[bool] = _Field()
    #: Server (guild) the channel belongs to.
    guild_id: _Field[str | None] = _Field()
    #: Roles of the writer.
    member_roles: _Field[list[str]] = _Field()
    #: Trace id, ``""`` for none.
    trace_id: _Field[str] = _Field()
    #: When it was published, epoch seconds; 0 for unknown.
    enqueued_at: _Field[float] = _Field()
    #: Whether the bot is meant: such messages of a channel are handled one after the other.
    is_addressed: _Field[bool] = _Field()
    #: Retired routing.
    strangler_route: _Field[str] = _Field()
    #: Every name of the writer, such as ``discord:12345``.
    user_aliases: _Field[list[str]] = _Field()
    #: Id of the writer across platforms.
    unified_user_id: _Field[str | None] = _Field()
    #: Summary of the reactions, such as ``👍×3, 🔥×1``.
    reactions: _Field[str] = _Field()
    #: What the adapter added.
    extra: _Field[dict[str, Any]] = _Field()

    @property
    def channel_key(self) -> str:
        """The lane: messages with the same key are handled in order."""
        key: str | None = self.get("channel_key")
        return key or _native.channel_key(self.platform, self.channel_id)

    @channel_key.setter
    def channel_key(self, key: str) -> None:
        self["channel_key"] = key


class Outbound(_Envelope):
    """From a worker to a platform: something to be done, told apart by ``type``."""

    _defaults = _native.message("", "", None)

    #: Channel on the platform, the lane; empty where the whole platform is meant.
    channel_id: _Field[str] = _Field()
    #: The platform; filled in when it is published.
    platform: _Field[str] = _Field()
    #: ``message``, ``file``, ``buttons``, ``reaction``, ``typing``, ``presence`` or ``rpc``.
    type: _Field[str] = _Field()
    #: What is said: of a message, above buttons, of a status, beside a file.
    text: _Field[str] = _Field()
    #: Key by which a platform recognises a doubled message.
    message_key: _Field[str | None] = _Field()
    #: Trace id, ``""`` for none.
    trace_id: _Field[str] = _Field()
    #: Of a message: the one it answers. Of a call: where its answer goes.
    reply_to: _Field[str | None] = _Field()
    #: Of a file: its name.
    filename: _Field[str | None] = _Field()
    #: Of a file: its type.
    mimetype: _Field[str | None] = _Field()
    #: Of buttons: the buttons, as dicts with ``label``, ``custom_id`` and perhaps ``emoji``.
    view: _Field[list[dict[str, Any]] | None] = _Field()
    #: Of a reaction: the message reacted to.
    message_id: _Field[str | None] = _Field()
    #: Of a reaction: the reaction. Of a status: a picture beside it.
    emoji: _Field[str | None] = _Field()
    #: Of a call: what is called.
    method: _Field[str | None] = _Field()
    #: Of a call: its arguments by name.
    params: _Field[dict[str, Any] | None] = _Field()
    #: Of a call: what its answer names.
    correlation_id: _Field[str | None] = _Field()
    #: Of a call: milliseconds since 1970 after which nobody waits any more.
    deadline_ms: _Field[int | None] = _Field()

    @property
    def data(self) -> bytes:
        """Of a file: its bytes. The key of that name holds what is on the wire, which is base64 text.

        Raises:
            InvalidError: it is no file, or what it holds is not base64.
        """
        return _native.file_bytes(self)


def inbound(
    platform: str, *, channel: str, user: str, text: str, username: str | None = None, **fields: Any
) -> Inbound:
    """A message written now, addressed to the bot, with new ids for message and trace.

    ``username`` is the user's id if not given. Further keyword arguments set fields of :class:`Inbound` by their name,
    such as ``message_id``, ``reply_to``, ``is_addressed``, ``attachments`` or ``extra``.

    Raises:
        InvalidError: an argument is no text.
    """
    envelope = Inbound(_native.inbound(platform, channel, user, text))
    if username is not None:
        envelope["username"] = username
    envelope.update(fields)
    return envelope


def message(channel: str, text: str, *, reply_to: str | None = None, **fields: Any) -> Outbound:
    """A text for a channel, perhaps as the answer to another message.

    Here and below, further keyword arguments set fields of :class:`Outbound` by their name, such as ``message_key`` and
    ``trace_id``.

    Raises:
        InvalidError: an argument is no text.
    """
    return _outbound(_native.message(channel, text, reply_to), fields)


def file(
    channel: str,
    filename: str,
    data: bytes | bytearray | memoryview,
    *,
    mimetype: str = "application/octet-stream",
    text: str = "",
    **fields: Any,
) -> Outbound:
    """A file for a channel, perhaps with a text beside it.

    Raises:
        InvalidError: an argument has the wrong type.
        TooLargeError: the file is larger than a body may be.
    """
    return _outbound(_native.file(channel, filename, mimetype, need_bytes("data", data), text), fields)


def buttons(
    channel: str, text: str, view: Iterable[tuple[str, str] | tuple[str, str, str | None]], **fields: Any
) -> Outbound:
    """A text with buttons below it: label, id that is sent back, and perhaps an emoji.

    Raises:
        InvalidError: an argument is no text.
    """
    rows = [(row[0], row[1], row[2] if len(row) == 3 else None) for row in need_rows("view", view)]
    return _outbound(_native.buttons(channel, text, rows), fields)


def reaction(channel: str, message_id: str, emoji: str, **fields: Any) -> Outbound:
    """A reaction to a message.

    Raises:
        InvalidError: an argument is no text.
    """
    return _outbound(_native.reaction(channel, message_id, emoji), fields)


def typing(channel: str, **fields: Any) -> Outbound:
    """The sign that an answer is being written.

    Raises:
        InvalidError: the channel is no text.
    """
    return _outbound(_native.typing(channel), fields)


def presence(status: str, *, emoji: str | None = None, **fields: Any) -> Outbound:
    """A status of the bot on the whole platform.

    Raises:
        InvalidError: an argument is no text.
    """
    return _outbound(_native.presence(status, emoji), fields)


def rpc(method: str, params: Mapping[str, Any], *, reply_to: str, correlation_id: str, **fields: Any) -> Outbound:
    """A call of the platform's adapter; its answer goes to the stream ``reply_to``.

    Raises:
        InvalidError: an argument has the wrong type.
    """
    return _outbound(_native.rpc(method, need_map("params", params), reply_to, correlation_id), fields)


def _outbound(envelope: dict[str, Any], fields: dict[str, Any]) -> Outbound:
    return Outbound(envelope, **fields)
