"""Time that a test moves."""

from __future__ import annotations

from stargazer_core import _native
from stargazer_core.arguments import need_seconds
from stargazer_core.errors import InvalidError
from stargazer_core.loop import ask

__all__ = ["Time"]


class Time:
    """The time of one bus: retries, leases, time limits and windows run by it; what handlers do takes no time of it."""

    __slots__ = ("_native",)

    def __init__(self, native: _native.Bus) -> None:
        """For buses only."""
        self._native = native

    @property
    def now(self) -> float:
        """Seconds since the bus was connected."""
        return self._native.now()

    async def advance(self, seconds: float) -> None:
        """Lets so many seconds pass: whatever the bus has to do within them is done, in order, before this ends."""
        if seconds is None:
            raise InvalidError("seconds must be a number of seconds from 0 up, found None", {"argument": "seconds"})
        await ask(self._native.advance, need_seconds("seconds", seconds) or 0.0)
