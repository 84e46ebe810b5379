"""The Redis platform: conversations ("instances") whose whole state lives on the server, used through an API.

Everything but running inside a gateway needs only a bus, so an API may sit in any process.

>>> import asyncio, stargazer_core as sg
>>> from stargazer_core.platform.redis import RedisPlatform
>>> async def main() -> None:
...     async with sg.connect("memory://", role="standalone", platforms=["redis"]) as bus:
...         platform = RedisPlatform(bus)
...         made = await platform.create_instance("demo", display_name="Demo")
...         print(await platform.validate_api_key("demo", made.api_key))
...         sent = await platform.inject_message("demo", "Berlin?", "u1", "Ann", response_nonce="n1")
...         print(sent.receipt.duplicate)
>>> asyncio.run(main())
True
False
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypedDict, TypeVar

from stargazer_core._native import Receipt
from stargazer_core.arguments import need_all, need_map
from stargazer_core.errors import InvalidError
from stargazer_core.part import millis, open_part
from stargazer_core.platform.core_adapter import CoreAdapter
from stargazer_core.platform.messages import Attachment, IncomingMessage

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from stargazer_core.publisher import Publisher

__all__ = [
    "CreatedInstance",
    "DeletedInstance",
    "Injected",
    "Injection",
    "Instance",
    "Listing",
    "RedisPlatform",
    "RedisPlatformSettings",
    "Replies",
    "Reply",
    "Skipped",
    "StoredFile",
    "User",
]

T = TypeVar("T")


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


class RedisPlatform(CoreAdapter):
    """The Redis platform over a bus. Makes no connection of its own; doubles as an adapter for a gateway.

    All methods raise ``UnavailableError`` or ``TimeoutError`` for trouble with the server, never an empty answer.
    """

    def __init__(self, bus: Publisher, **settings: Unpack[RedisPlatformSettings]) -> None:
        """Over a bus.

        Raises:
            InvalidError: a setting is unknown, of the wrong type, or out of range.
        """
        super().__init__(open_part(bus, "redis_platform", _plain(settings)), "redis")

    async def create_instance(
        self,
        instance_id: str | None = None,
        display_name: str = "",
        api_key: str | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> CreatedInstance:
        """Makes an instance, as a whole or not at all; id and key are made up where none are given.

        Raises:
            ConflictError: there is one of this id.
            InvalidError: id, key, name or metadata cannot be kept.
            TooLargeError: the metadata are too many.
        """
        row = await self._part.call(
            "create_instance",
            instance_id=instance_id,
            display_name=display_name,
            api_key=api_key,
            metadata=_map("metadata", metadata),
        )
        return CreatedInstance(**row)

    async def validate_api_key(self, instance_id: str, api_key: str) -> bool:
        """Whether this is the instance's key, in the same time whatever differs; false for an unknown instance."""
        return await self._yes("validate_api_key", instance_id=instance_id, api_key=api_key)

    async def instance_exists(self, instance_id: str) -> bool:
        """Whether there is such an instance."""
        return await self._yes("instance_exists", instance_id=instance_id)

    async def list_instances(self) -> Listing[Instance]:
        """All instances, sorted by their ids."""
        return _listing(Instance, await self._part.call("list_instances"))

    async def get_instance(self, instance_id: str) -> Instance | None:
        """An instance; ``None`` when there is none.

        Raises:
            MalformedError: its record is broken.
        """
        row = await self._part.call("get_instance", instance_id=instance_id)
        return None if row is None else Instance(**row)

    async def update_instance(
        self, instance_id: str, display_name: str | None = None, metadata: Mapping[str, Any] | None = None
    ) -> bool:
        """Gives an instance another name and sets metadata, leaving the rest alone. Whether there is such an instance.

        Raises:
            InvalidError: name or metadata cannot be kept.
            TooLargeError: the metadata are too many.
        """
        changes = {"display_name": display_name, "metadata": _map("metadata", metadata)}
        return await self._yes("update_instance", instance_id=instance_id, **changes)

    async def delete_instance(self, instance_id: str) -> DeletedInstance:
        """Removes an instance with everything that belongs to it. One that is not there is a warning, no error."""
        return DeletedInstance(**await self._part.call("delete_instance", instance_id=instance_id))

    async def register_user(
        self, instance_id: str, user_id: str, display_name: str, metadata: Mapping[str, Any] | None = None
    ) -> User:
        """Registers a user, or replaces it. With its first user an instance is closed to everybody else.

        Raises:
            NotFoundError: there is no such instance.
            InvalidError: id, name or metadata cannot be kept.
        """
        row = await self._part.call(
            "register_user",
            instance_id=instance_id,
            user_id=user_id,
            display_name=display_name,
            metadata=_map("metadata", metadata),
        )
        return User(**row)

    async def list_users(self, instance_id: str) -> Listing[User]:
        """The users of an instance, sorted by their ids; none of an unknown one."""
        return _listing(User, await self._part.call("list_users", instance_id=instance_id))

    async def get_user(self, instance_id: str, user_id: str) -> User | None:
        """A user; ``None`` when there is none. A broken record counts as none; a warning is logged."""
        row = await self._part.call("get_user", instance_id=instance_id, user_id=user_id)
        return None if row is None else User(**row)

    async def delete_user(self, instance_id: str, user_id: str) -> bool:
        """Takes a user off the roster; whether it was on it."""
        return await self._yes("delete_user", instance_id=instance_id, user_id=user_id)

    async def user_exists(self, instance_id: str, user_id: str) -> bool:
        """Whether a user is on the roster, readable or not."""
        return await self._yes("user_exists", instance_id=instance_id, user_id=user_id)

    async def has_users(self, instance_id: str) -> bool:
        """Whether anybody is on the roster: whether the instance is closed."""
        return await self._yes("has_users", instance_id=instance_id)

    async def inject_message(
        self,
        instance_id: str,
        text: str,
        user_id: str,
        user_name: str = "",
        **more: Unpack[Injection],
    ) -> Injected:
        """Gives a message to the workers. The same ``message_id`` for the same instance is taken once.

        Raises:
            NotFoundError: there is no such instance.
            RejectedError: the instance has a roster and the writer is not on it.
            InvalidError: there is no name where there is no roster, or something else is wrong; named.
            ClosedError: the platform has been drained.
        """
        given = _injection(instance_id, text, user_id, user_name, more)
        receipt, ids = await self._part.call("inject_message", **given)
        return Injected(**ids, receipt=receipt)

    async def incoming(
        self,
        instance_id: str,
        text: str,
        user_id: str,
        user_name: str = "",
        **more: Unpack[Injection],
    ) -> IncomingMessage:
        """The message that :meth:`inject_message` would give to the workers: checked as there, given to nobody."""
        given = _injection(instance_id, text, user_id, user_name, more)
        return IncomingMessage.from_map(await self._part.call("incoming", **given))

    async def replies(
        self, instance_id: str, after: str = "0-0", *, count: int = 100, wait: float | None = None
    ) -> Replies:
        """What was said to an instance after an id, at most ``count`` (1 to 1000).

        Waits up to ``wait`` seconds for the first.
        """
        wait_ms = millis("wait", wait)
        row = await self._part.call("replies", instance_id=instance_id, after=after, count=count, wait=wait_ms)
        return _replies(row)

    async def turn_replies(
        self, instance_id: str, trace_id: str, after: str = "0-0", *, count: int = 100, wait: float | None = None
    ) -> Replies:
        """What was said to an instance in one turn. With a nonce in its message the last one is ``turn_complete``."""
        where = {"instance_id": instance_id, "trace_id": trace_id}
        row = await self._part.call("turn_replies", **where, after=after, count=count, wait=millis("wait", wait))
        return _replies(row)

    async def last_reply(self, instance_id: str) -> str:
        """Where an instance's replies end now: what is read after it is said later."""
        last: str = await self._part.call("last_reply", instance_id=instance_id)
        return last

    async def get_file(self, file_id: str) -> StoredFile | None:
        """A file that was sent; ``None`` when there is none (any more).

        Raises:
            MalformedError: its record is broken.
        """
        row = await self._part.call("get_file", file_id=file_id)
        return None if row is None else StoredFile(**row)

    def file_url(self, file_id: str, filename: str) -> str:
        """Under which address a file is fetched, relative to the server of the REST API."""
        url: str = self._part.at_once("file_url", file_id=file_id, filename=filename)
        return url

    async def _yes(self, call: str, **arguments: Any) -> bool:
        answer: bool = await self._part.call(call, **arguments)
        return answer


#: Settings that are times.
_TIMES = ("file_ttl", "replies_ttl", "turn_ttl")


def _plain(settings: RedisPlatformSettings) -> dict[str, Any]:
    known = RedisPlatformSettings.__annotations__
    for name in settings:
        if name not in known:
            text = f"the redis platform has no setting {name!r}; known are: {', '.join(known)}"
            raise InvalidError(text, {"setting": name})
    plain: dict[str, Any] = dict(settings)
    for name in _TIMES:
        time = millis(name, plain.pop(name, None))
        if time is not None:
            plain[f"{name}_ms"] = round(time)
    return plain


def _injection(instance_id: str, text: str, user_id: str, user_name: str, more: Mapping[str, Any]) -> dict[str, Any]:
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
        "extra": _map("extra", more.get("extra")),
    }


def _map(name: str, given: Mapping[str, Any] | None) -> dict[str, Any] | None:
    return None if given is None else need_map(name, given)


def _listing(kind: type[T], row: dict[str, Any]) -> Listing[T]:
    return Listing([kind(**one) for one in row["items"]], [Skipped(**one) for one in row["skipped"]])


def _replies(row: dict[str, Any]) -> Replies:
    return Replies([Reply(**one) for one in row["items"]], row["next"], row["gap"])
