"""Adapters that stand in the core: every call of an adapter, carried there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from stargazer_core.arguments import need_a, need_all, need_map
from stargazer_core.part import Part
from stargazer_core.platform.messages import BotIdentity, Button, File, HistoricalMessage, SendContext, TurnEnd

__all__ = ["CoreAdapter"]


class CoreAdapter:
    """The calls that every adapter has. A send gives the id that the platform gave it, ``""`` when it gives none."""

    def __init__(self, part: Part, name: str) -> None:
        """For the adapters of this package only."""
        self._part = part
        self._name = name

    @property
    def name(self) -> str:
        """Name of the platform."""
        return self._name

    async def is_running(self) -> bool:
        """Whether it is connected."""
        running: bool = await self._part.call("is_running")
        return running

    async def bot_identity(self) -> BotIdentity:
        """Who the bot is on the platform."""
        return BotIdentity.from_map(await self._part.call("bot_identity"))

    async def send(self, channel_id: str, text: str, context: SendContext | None = None) -> str:
        """Says a text in a channel."""
        return await self._send("send", channel_id, context, text=text)

    async def send_file(self, channel_id: str, file: File, context: SendContext | None = None) -> str:
        """Sends a file, with the context's caption beside it."""
        return await self._send("send_file", channel_id, context, file=dict(need_a("file", file, File).__dict__))

    async def send_with_buttons(
        self, channel_id: str, text: str, buttons: Sequence[Button], context: SendContext | None = None
    ) -> str:
        """Says a text with buttons below it."""
        rows = [dict(button.__dict__) for button in need_all("buttons", buttons, Button)]
        return await self._send("send_with_buttons", channel_id, context, text=text, buttons=rows)

    async def react(self, channel_id: str, message_id: str, emoji: str, context: SendContext | None = None) -> None:
        """Reacts to a message."""
        await self._send("react", channel_id, context, message_id=message_id, emoji=emoji)

    async def typing(self, channel_id: str) -> None:
        """Shows that an answer is being written."""
        await self._part.call("typing", channel_id=channel_id)

    async def presence(self, status: str, emoji: str | None = None) -> None:
        """Shows a status of the bot."""
        await self._part.call("presence", status=status, emoji=emoji)

    async def turn_complete(self, channel_id: str, end: TurnEnd) -> None:
        """Says that everything has been said for one message."""
        await self._part.call("turn_complete", channel_id=channel_id, end=dict(need_a("end", end, TurnEnd).__dict__))

    async def fetch_history(self, channel_id: str, limit: int = 100) -> list[HistoricalMessage]:
        """The last ``limit`` messages of a channel, oldest first."""
        rows = await self._part.call("fetch_history", channel_id=channel_id, limit=limit)
        return [HistoricalMessage.from_map(row) for row in rows]

    async def is_channel_valid(self, channel_id: str) -> bool:
        """Whether there is such a channel, and the bot may speak in it."""
        valid: bool = await self._part.call("is_channel_valid", channel_id=channel_id)
        return valid

    async def should_skip_channel_heartbeat(self, channel_id: str) -> bool:
        """Whether the bot never speaks unasked in this channel."""
        skip: bool = await self._part.call("should_skip_channel_heartbeat", channel_id=channel_id)
        return skip

    async def call(self, method: str, params: Mapping[str, Any] | None = None) -> Any:
        """Any other call, by name."""
        return await self._part.call("call", method=method, params={} if params is None else need_map("params", params))

    async def _send(self, call: str, channel_id: str, context: SendContext | None, **what: Any) -> str:
        said = None if context is None else dict(need_a("context", context, SendContext).__dict__)
        sent: str = await self._part.call(call, channel_id=channel_id, context=said, **what)
        return sent
