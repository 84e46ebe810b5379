"""The original's Redis platform: ``RedisPlatformAdapter``."""

from __future__ import annotations

import logging
import secrets
import uuid
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import asdict
from datetime import datetime, timezone
from typing import Any

from stargazer_core.arguments import need_map
from stargazer_core.compat.link import Link
from stargazer_core.errors import NotFoundError, StargazerError
from stargazer_core.platform import Attachment, File, HistoricalMessage, IncomingMessage
from stargazer_core.platform.redis import Instance, RedisPlatform

__all__ = ["RedisPlatformAdapter"]

_log = logging.getLogger("stargazer_core.compat")

#: What is given a message that was injected, and the adapter.
MessageHandler = Callable[[IncomingMessage, Any], Awaitable[None]]


class RedisPlatformAdapter:
    """Conversations ("instances") whose whole state lives on the server, in the original's form.

    Without a server, and before :meth:`start`, its registry is empty and nothing is kept.
    """

    def __init__(self, message_handler: MessageHandler, config: Any | None = None, **kwargs: Any) -> None:
        """Opens no connection. Every message that is injected goes to ``message_handler``.

        ``config`` says where the server is: it has ``build_async_redis_client()`` or ``redis_url``, or is a URL or a
        client itself. Further arguments are taken and mean nothing.
        """
        self.message_handler = message_handler
        self.config = config
        self._link: Link | None = None
        self._running = False

    async def start(self) -> None:
        """Is running from now on; warns when no server is configured. Connects when it is first used."""
        link = Link(self.config)
        if await link.configured():
            self._link = link
        else:
            _log.warning("the redis platform has no server: nothing is kept")
        self._running = True

    async def stop(self) -> None:
        """Is not running any more and gives its connection up. May be called twice."""
        self._running = False
        link, self._link = self._link, None
        try:
            if link is not None:
                await link.close()
        except StargazerError as error:
            _log.debug("the redis platform closed with trouble: %s", error)

    @property
    def name(self) -> str:
        """``redis``."""
        return "redis"

    @property
    def is_running(self) -> bool:
        """Whether it was started and not stopped."""
        return self._running

    @property
    def bot_identity(self) -> dict[str, str]:
        """Who the bot is here: always Star."""
        return {"platform": "redis", "user_id": "star", "display_name": "Star"}

    async def should_skip_channel_heartbeat(self, channel_id: str) -> bool:
        """Always: nobody is spoken to unasked here."""
        return True

    async def create_instance(
        self,
        instance_id: str | None = None,
        display_name: str = "",
        api_key: str | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> dict[str, str]:
        """Makes an instance and gives its ``instance_id`` and ``api_key``, the latter here and never again.

        Raises:
            ConflictError: there is one of this id.
        """
        platform = await self._platform()
        if platform is None:
            return {
                "instance_id": instance_id or secrets.token_hex(8),
                "api_key": api_key or secrets.token_urlsafe(32),
            }
        texts = _texts(metadata)
        made = await platform.create_instance(instance_id, display_name, api_key, texts)
        return {"instance_id": made.instance_id, "api_key": made.api_key}

    async def validate_api_key(self, instance_id: str, api_key: str) -> bool:
        """Whether this is the instance's key, in constant time; false where there is no server, instance or key."""
        platform = await self._platform()
        return platform is not None and await platform.validate_api_key(instance_id, api_key)

    async def instance_exists(self, instance_id: str) -> bool:
        """Whether there is such an instance."""
        platform = await self._platform()
        return platform is not None and await platform.instance_exists(instance_id)

    async def list_instances(self) -> list[dict[str, Any]]:
        """What is known of every instance but its key, sorted by id."""
        platform = await self._platform()
        return [] if platform is None else [_meta(one) for one in (await platform.list_instances()).items]

    async def get_instance_meta(self, instance_id: str) -> dict[str, Any] | None:
        """What is known of an instance but its key; ``None`` when there is none."""
        platform = await self._platform()
        instance = None if platform is None else await platform.get_instance(instance_id)
        return None if instance is None else _meta(instance)

    async def update_instance_meta(
        self, instance_id: str, display_name: str | None = None, metadata: dict[str, Any] | None = None
    ) -> bool:
        """Gives an instance another name and sets metadata, leaving the rest alone. Whether there is such a one."""
        platform = await self._platform()
        texts = _texts(metadata)
        return platform is not None and await platform.update_instance(instance_id, display_name, texts)

    async def delete_instance(self, instance_id: str) -> dict[str, Any]:
        """Removes an instance with everything that belongs to it; says what was found, ``warnings`` among it."""
        platform = await self._platform()
        if platform is None:
            return {"instance_id": instance_id, "warnings": ["no_redis"]}
        found = asdict(await platform.delete_instance(instance_id))
        return {**found, "warnings": list(found["warnings"])}

    async def register_user(
        self, instance_id: str, user_id: str, display_name: str, metadata: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """Registers a user or replaces it, and gives its record. With its first user an instance is closed to others.

        Raises:
            NotFoundError: there is no such instance.
        """
        platform = await self._platform()
        if platform is None:
            now = datetime.now(timezone.utc).isoformat()
            known = {
                "user_id": user_id,
                "display_name": display_name,
                "metadata": {} if metadata is None else need_map("metadata", metadata),
            }
            return {**known, "registered_at": now}
        return _record(await platform.register_user(instance_id, user_id, display_name, metadata))

    async def list_users(self, instance_id: str) -> list[dict[str, Any]]:
        """The users of an instance; broken records are left out, with a warning in the log."""
        platform = await self._platform()
        return [] if platform is None else [_record(user) for user in (await platform.list_users(instance_id)).items]

    async def get_user(self, instance_id: str, user_id: str) -> dict[str, Any] | None:
        """A user; ``None`` when there is none, or its record is broken."""
        platform = await self._platform()
        user = None if platform is None else await platform.get_user(instance_id, user_id)
        return None if user is None else _record(user)

    async def delete_user(self, instance_id: str, user_id: str) -> bool:
        """Takes a user off the roster; whether it was on it."""
        platform = await self._platform()
        return platform is not None and await platform.delete_user(instance_id, user_id)

    async def user_exists(self, instance_id: str, user_id: str) -> bool:
        """Whether a user is on the roster, readable or not."""
        platform = await self._platform()
        return platform is not None and await platform.user_exists(instance_id, user_id)

    async def has_users(self, instance_id: str) -> bool:
        """Whether anybody is on the roster: whether the instance is closed."""
        platform = await self._platform()
        return platform is not None and await platform.has_users(instance_id)

    async def inject_message(
        self,
        instance_id: str,
        text: str,
        user_id: str,
        user_name: str = "",
        *,
        is_addressed: bool = True,
        attachments: Iterable[Any] | None = None,
        channel_name: str = "",
        message_id: str = "",
        reply_to_id: str = "",
        extra: Mapping[str, Any] | None = None,
        reactions: str = "",
        response_nonce: str = "",
    ) -> str:
        """Hands a message to the message handler and gives its id.

        Raises:
            NotFoundError: there is no such instance.
            RejectedError: the instance has a roster and the writer is not on it.
            InvalidError: there is neither a roster nor a name.
        """
        platform = await self._platform()
        if platform is None:
            raise NotFoundError("there is no such instance: no server is configured", {"instance": instance_id})
        message = await platform.incoming(
            instance_id,
            text,
            user_id,
            user_name,
            is_addressed=is_addressed,
            attachments=[_attachment(one) for one in attachments or ()],
            channel_name=channel_name,
            message_id=message_id,
            reply_to_id=reply_to_id,
            extra=extra,
            reactions=reactions,
            response_nonce=response_nonce,
        )
        message.message_id = message.message_id or uuid.uuid4().hex
        await self.message_handler(message, self)
        return message.message_id

    async def is_channel_valid(self, channel_id: str) -> bool:
        """Whether a channel is an instance; false when that cannot be found out. Raises nothing."""
        try:
            return await self.instance_exists(channel_id)
        except StargazerError as error:
            _log.warning("whether there is the instance %s cannot be found out: %s", channel_id, error)
            return False

    async def send(self, channel_id: str, text: str) -> str:
        """Says a text to whoever waits for the instance's replies, and gives the message's id.

        Raises:
            NotFoundError: there is no such instance.
        """
        platform = await self._platform()
        return uuid.uuid4().hex if platform is None else await platform.send(channel_id, text)

    async def send_file(
        self, channel_id: str, data: bytes, filename: str, mimetype: str = "application/octet-stream"
    ) -> str:
        """Keeps a file for 24 hours, tells of it, and gives its address. Raises like :meth:`send`."""
        platform = await self._platform()
        if platform is None:
            return f"/redis-platform/files/{uuid.uuid4().hex}/{filename}"
        return await platform.send_file(channel_id, File(filename, data, mimetype))

    async def fetch_history(self, channel_id: str, limit: int = 100) -> list[HistoricalMessage]:
        """Always empty: an instance has no past elsewhere."""
        return []

    async def _platform(self) -> RedisPlatform | None:
        return None if self._link is None else RedisPlatform(await self._link.bus(), legacy_writes=True)


def _meta(instance: Instance) -> dict[str, Any]:
    named = {"display_name": instance.display_name, "created_at": instance.created_at}
    return {**named, **instance.metadata, "instance_id": instance.instance_id}


def _texts(metadata: object) -> dict[str, str]:
    given = {} if metadata is None else need_map("metadata", metadata)
    return {name: str(value) for name, value in given.items()}


def _record(user: Any) -> dict[str, Any]:
    return asdict(user)


def _attachment(given: Any) -> Attachment:
    """Of whatever class: the original has one of its own, with the same members."""
    if isinstance(given, Attachment):
        return given
    return Attachment(given.data, given.mimetype, given.filename, getattr(given, "source_url", ""))
