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

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from stargazer_core.arguments import maybe_map
from stargazer_core.part import millis, open_part
from stargazer_core.platform.core_adapter import CoreAdapter
from stargazer_core.platform.injection import Injection, injection
from stargazer_core.platform.messages import IncomingMessage
from stargazer_core.platform.redis_records import (
    CreatedInstance,
    DeletedInstance,
    Injected,
    Instance,
    Listing,
    Replies,
    Reply,
    Skipped,
    StoredFile,
    User,
    listing,
    replies,
)
from stargazer_core.platform.redis_settings import RedisPlatformSettings, plain

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


class RedisPlatform(CoreAdapter):
    """The Redis platform over a bus. Makes no connection of its own; doubles as an adapter for a gateway.

    All methods raise ``UnavailableError`` or ``TimeoutError`` for trouble with the server, never an empty answer.
    """

    def __init__(self, bus: Publisher, **settings: Unpack[RedisPlatformSettings]) -> None:
        """Over a bus.

        Raises:
            InvalidError: a setting is unknown, of the wrong type, or out of range.
        """
        super().__init__(open_part(bus, "redis_platform", plain(settings)), "redis")

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
            metadata=maybe_map("metadata", metadata),
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
        return listing(Instance, await self._part.call("list_instances"))

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
        changes = {"display_name": display_name, "metadata": maybe_map("metadata", metadata)}
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
            metadata=maybe_map("metadata", metadata),
        )
        return User(**row)

    async def list_users(self, instance_id: str) -> Listing[User]:
        """The users of an instance, sorted by their ids; none of an unknown one."""
        return listing(User, await self._part.call("list_users", instance_id=instance_id))

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
        given = injection(instance_id, text, user_id, user_name, more)
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
        given = injection(instance_id, text, user_id, user_name, more)
        return IncomingMessage.from_map(await self._part.call("incoming", **given))

    async def replies(
        self, instance_id: str, after: str = "0-0", *, count: int = 100, wait: float | None = None
    ) -> Replies:
        """What was said to an instance after an id, at most ``count`` (1 to 1000).

        Waits up to ``wait`` seconds for the first.
        """
        wait_ms = millis("wait", wait)
        row = await self._part.call("replies", instance_id=instance_id, after=after, count=count, wait=wait_ms)
        return replies(row)

    async def turn_replies(
        self, instance_id: str, trace_id: str, after: str = "0-0", *, count: int = 100, wait: float | None = None
    ) -> Replies:
        """What was said to an instance in one turn. With a nonce in its message the last one is ``turn_complete``."""
        where = {"instance_id": instance_id, "trace_id": trace_id}
        row = await self._part.call("turn_replies", **where, after=after, count=count, wait=millis("wait", wait))
        return replies(row)

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
