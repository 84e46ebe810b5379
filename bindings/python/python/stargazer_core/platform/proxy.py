"""A platform as a worker sees it: what it does there goes onto the outbound stream, what it asks is a call."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from stargazer_core._native import Receipt
from stargazer_core.arguments import need_map
from stargazer_core.part import Part, millis, open_part
from stargazer_core.platform.core_adapter import CoreAdapter

if TYPE_CHECKING:
    from stargazer_core.publisher import Publisher

__all__ = ["ProxyAdapter"]


class ProxyAdapter(CoreAdapter):
    """Speaks on a platform from somewhere else, for one turn or for none.

    Give it a delivery's bus: what a turn says is then refused once the turn has become somebody else's. The ``n``th
    action of a type in a turn has the message key ``{trace_id}:{type}:{n}``, whenever the turn runs, so a turn that
    runs again says nothing twice; await one action before the next. What it sends is stored when a call returns, and
    done when a gateway gets to it; the id on the platform is not known by then (``""``).

    What it asks (``fetch_history``, ``is_channel_valid``, ``bot_identity``, …) is a call of the gateway:
    ``NoWorkerError`` when there is none, ``TimeoutError`` when it does not answer.
    """

    def __init__(
        self, bus: Publisher, platform: str, *, trace_id: str | None = None, call_timeout: float | None = None
    ) -> None:
        """Speaks on a platform outside of any turn; with a trace id, from which the message keys follow."""
        opening = {"platform": platform, "trace_id": trace_id, "call_timeout": millis("call_timeout", call_timeout)}
        super().__init__(open_part(bus, "proxy", opening), platform)

    @classmethod
    def for_message(
        cls, bus: Publisher, message: Mapping[str, Any], *, call_timeout: float | None = None
    ) -> ProxyAdapter:
        """Speaks where a message came from, in its turn. A message without a trace id is traced by its own id."""
        opening = {"message": need_map("message", message), "call_timeout": millis("call_timeout", call_timeout)}
        part = open_part(bus, "proxy", opening)
        proxy = cls.__new__(cls)
        CoreAdapter.__init__(proxy, part, Part.at_once(part, "name"))
        return proxy

    async def perform(self, action: Mapping[str, Any]) -> Receipt:
        """Does something on the platform: from ``message(…)`` and its like, or any dict of that shape.

        Trace id and message key are filled in where they are missing, and the channel of the message that the turn
        answers where it is ``""``.
        """
        receipt: Receipt
        receipt, _ = await self._part.call("perform", action=need_map("action", action))
        return receipt

    async def end(self, error: str | None = None) -> None:
        """Tells the end of the turn, if the message asked for it: with the reason when it was given up."""
        await self._part.call("end", error=error)
