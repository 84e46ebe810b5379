"""The original's platform as a worker sees it: ``ProxyPlatformAdapter``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from stargazer_core.envelope import Outbound, buttons, file, message, presence, reaction, typing
from stargazer_core.platform import HistoricalMessage, ProxyAdapter

if TYPE_CHECKING:
    from stargazer_core.compat.bus import RedisEventBus

__all__ = ["ProxyPlatformAdapter"]


class ProxyPlatformAdapter:
    """Speaks on a platform through its gateway: what it does goes onto the platform's outbound stream.

    With a trace id the ``n``th action of a type has the message key ``{trace_id}:{type}:{n}``, so that a turn that runs
    again says nothing twice. Every call that does something gives the id of the entry.
    """

    def __init__(self, event_bus: RedisEventBus, platform: str, trace_id: str | None = None) -> None:
        """Does nothing yet."""
        self._event_bus = event_bus
        self._platform = platform
        self._trace_id = trace_id
        self._proxy: ProxyAdapter | None = None

    @property
    def name(self) -> str:
        """Name of the platform."""
        return self._platform

    @property
    def is_running(self) -> bool:
        """Always: what is sent while the platform is away waits."""
        return True

    async def send(self, channel_id: str, text: str, **kwargs: Any) -> str:
        """Says a text in a channel. What else is named and not ``None``, such as ``reply_to``, goes along."""
        return await self._perform(message(channel_id, text), kwargs)

    async def send_file(
        self, channel_id: str, data: bytes, filename: str, mimetype: str = "application/octet-stream", **kwargs: Any
    ) -> str:
        """Sends a file."""
        return await self._perform(file(channel_id, filename, data, mimetype=mimetype), kwargs)

    async def send_with_buttons(self, channel_id: str, text: str, view: Iterable[Any], **kwargs: Any) -> str:
        """Says a text with buttons below it: mappings or tuples of ``label``, ``custom_id`` and perhaps ``emoji``."""
        return await self._perform(buttons(channel_id, text, [_button(button) for button in view]), kwargs)

    async def react(self, channel_id: str, message_id: str, emoji: str, **kwargs: Any) -> str:
        """Reacts to a message."""
        return await self._perform(reaction(channel_id, message_id, emoji), kwargs)

    async def typing(self, channel_id: str, **kwargs: Any) -> str:
        """Shows that an answer is being written."""
        return await self._perform(typing(channel_id), kwargs)

    async def presence(self, status: str, emoji: str | None = None, **kwargs: Any) -> str:
        """Shows a status of the bot on the whole platform."""
        return await self._perform(presence(status, emoji=emoji), kwargs)

    async def fetch_history(self, channel_id: str, limit: int = 100) -> list[HistoricalMessage]:
        """The last messages of a channel, asked of the gateway.

        Raises:
            NoWorkerError: there is no gateway of ours for this platform.
        """
        return await (await self._of()).fetch_history(channel_id, limit)

    async def is_channel_valid(self, channel_id: str) -> bool:
        """Whether there is such a channel, asked of the gateway; raises like :meth:`fetch_history`."""
        return await (await self._of()).is_channel_valid(channel_id)

    async def should_skip_channel_heartbeat(self, channel_id: str) -> bool:
        """Whether the bot never speaks unasked there, asked of the gateway; raises like :meth:`fetch_history`."""
        return await (await self._of()).should_skip_channel_heartbeat(channel_id)

    async def _perform(self, action: Outbound, more: Mapping[str, Any]) -> str:
        action.update((name, value) for name, value in more.items() if value is not None)
        return (await (await self._of()).perform(action)).id

    async def _of(self) -> ProxyAdapter:
        bus = await self._event_bus.bus()
        if self._proxy is None:
            self._proxy = ProxyAdapter(bus, self._platform, trace_id=self._trace_id)
        return self._proxy


def _button(button: Any) -> tuple[str, str, str | None]:
    if isinstance(button, Mapping):
        return button["label"], button["custom_id"], button.get("emoji")
    label, custom_id, *emoji = button
    return label, custom_id, emoji[0] if emoji else None
