"""Where an adapter puts what it received: the way from a platform into the bus."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stargazer_core._native import Receipt
from stargazer_core.arguments import need_a, need_text
from stargazer_core.part import Part, open_part
from stargazer_core.platform.messages import IncomingMessage, MessageUpdate

if TYPE_CHECKING:
    from stargazer_core.publisher import Publisher

__all__ = ["Intake"]


class Intake:
    """The way in for one platform. A gateway makes one for each start of an adapter, and closes it after its stop.

    A message whose receipt came back is stored. One with an id of the platform's is stored once within the dedupe
    window, however often it is handed in; the receipt says ``duplicate`` then.
    """

    __slots__ = ("_part", "_platform", "_start")

    def __init__(self, bus: Publisher, platform: str) -> None:
        """A way into this bus for what comes from a platform, outside of a gateway."""
        self._part = open_part(bus, "intake", {"platform": platform})
        self._platform = platform
        self._start: int | None = None

    @classmethod
    def _of(cls, part: Part, platform: str, start: int) -> Intake:
        """That of one start of an adapter."""
        intake = cls.__new__(cls)
        intake._part, intake._platform, intake._start = part, platform, start
        return intake

    @property
    def platform(self) -> str:
        """The platform."""
        return self._platform

    async def message(self, message: IncomingMessage) -> Receipt:
        """Gives a message to the workers. Platform, ids and times are filled in where they are empty.

        Raises:
            InvalidError: it is of another platform, has no channel, or a member of the wrong type.
            ClosedError: the adapter was stopped.
        """
        receipt: Receipt
        receipt, _ = await self._part.call(
            "message", start=self._start, message=need_a("message", message, IncomingMessage).to_map()
        )
        return receipt

    async def update(self, update: MessageUpdate) -> Receipt:
        """Tells the workers that a message was edited, was deleted, or has other reactions."""
        receipt: Receipt
        receipt, _ = await self._part.call(
            "update", start=self._start, update=dict(need_a("update", update, MessageUpdate).__dict__)
        )
        return receipt

    def failed(self, reason: str | BaseException) -> None:
        """Tells that the connection broke, and why: the adapter is stopped and started again."""
        if isinstance(reason, BaseException):
            reason = f"{type(reason).__name__}: {reason}".encode(errors="replace").decode()
        self._part.at_once("failed", start=self._start, reason=need_text("reason", reason))
