"""What is told on channels, heard while it is told."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any

from stargazer_core.loop import ask
from stargazer_core.part import Part

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["Notification", "Subscription"]


@dataclass(frozen=True)
class Notification:
    """What a subscription hears.

    With neither a channel nor a number the connection was lost and is there again: what was told meanwhile is gone.
    """

    #: The channel it was told on; ``None`` when something was lost instead.
    channel: str | None
    #: What was told.
    payload: bytes
    #: How many were not kept because they were not read in time. Look again at what they were about.
    missed: int = 0

    @property
    def lost(self) -> bool:
        """Whether something was, or may have been, told that is not heard: look again at what it was about."""
        return self.channel is None


class Subscription:
    """An open ear on some channels: iterate it. Bounded; what is not read in time is counted as missed."""

    __slots__ = ("_next", "_part")

    def __init__(self, part: Part) -> None:
        """For stores only."""
        self._part = part
        self._next: asyncio.Future[Any] | None = None

    async def next(self) -> Notification | None:
        """What is heard next, waited for also through an outage; ``None`` once it or its bus is closed.

        May be cancelled: what is heard comes with the next call then.
        """
        if self._next is None:
            self._next = ask(self._part.native.perform, "next", {})
        waiting = self._next
        try:
            row = await asyncio.shield(waiting)
        finally:
            if waiting.done():
                self._next = None
        if row is None:
            return None
        return Notification(row.get("channel"), row.get("payload", b""), row.get("missed", 0))

    def __aiter__(self) -> Self:
        """What is heard, until it is closed."""
        return self

    async def __anext__(self) -> Notification:
        """What is heard next."""
        heard = await self.next()
        if heard is None:
            raise StopAsyncIteration
        return heard

    def close(self) -> None:
        """Ends it. May be called twice."""
        self._part.at_once("close")

    async def __aenter__(self) -> Self:
        """Itself; leaving closes it."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        """Closes it."""
        self.close()
