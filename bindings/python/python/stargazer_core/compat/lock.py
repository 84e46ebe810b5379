"""The original's lock of a channel: ``DistributedLock``."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING

from stargazer_core.compat.link import Link
from stargazer_core.errors import TimeoutError as OursTimeoutError

if TYPE_CHECKING:
    from typing_extensions import Self

    from stargazer_core.bus import Bus
    from stargazer_core.lock import Lock

__all__ = ["DistributedLock"]

#: Where locks are kept that no server knows: shared by all of this process.
_LOCAL = "memory://stargazer_core.compat"


class DistributedLock:
    """A lock over the fleet, by the id of a channel: the one that workers take, be they the original's or ours.

    Re-entrant per object: what is taken twice is given up twice. Others wait, in this process and elsewhere. Without a
    server it is a lock of this process.
    """

    def __init__(
        self,
        redis: object,
        channel_id: str,
        ttl: float = 30,
        auto_renew: bool = False,
        max_renewals: int | None = 5,
        abort_on_loss: bool = True,
    ) -> None:
        """Takes nothing and opens no connection.

        ``redis`` is a URL, a ``redis.asyncio`` client (asked for its settings only), a configuration that has either,
        or ``None``. It lasts ``ttl`` seconds. With ``auto_renew`` it is renewed up to ``max_renewals`` times, and with
        ``abort_on_loss`` besides, the task that took it is cancelled when it is lost; without, nobody watches it.
        """
        self.channel_id = channel_id
        self.ttl = ttl
        self._auto_renew = auto_renew
        self._max_renewals = max_renewals
        self._abort_on_loss = auto_renew and abort_on_loss
        self._link = Link(redis)
        self._local = Link(_LOCAL)
        self._bus: Bus | None = None
        self._lock: Lock | None = None

    @property
    def held(self) -> bool:
        """Whether this object holds it."""
        return self._lock is not None and self._lock.held

    async def acquire(self, blocking: bool = True, timeout: float | None = None) -> bool:
        """Takes it; whether it did.

        Waits for as long as it takes, or for ``timeout`` seconds; not at all when it is not ``blocking``.

        Raises:
            UnavailableError: the server cannot be reached.
        """
        lock = await self._opened()
        if not blocking:
            return await lock.try_acquire()
        try:
            await lock.acquire(timeout=timeout)
        except OursTimeoutError:
            return False
        return True

    async def release(self) -> bool:
        """Gives it up if it is still ours; whether it was."""
        return self._lock is not None and await self._lock.release()

    async def renew(self) -> bool:
        """Has it last ``ttl`` seconds from now if it is still ours; whether it was."""
        return self._lock is not None and await self._lock.renew()

    async def __aenter__(self) -> Self:
        """Takes it."""
        await (await self._opened()).__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        """Gives it up.

        Raises:
            StaleError: the block was ended because the lock was lost.
        """
        if self._lock is not None:
            await self._lock.__aexit__(kind, error, at)

    async def _opened(self) -> Lock:
        link = self._link if await self._link.configured() else self._local
        bus = await link.bus()
        # After a fork, or when everything was closed meanwhile, it is another one.
        if self._lock is None or self._bus is not bus:
            self._bus = bus
            self._lock = bus.channel_lock(
                self.channel_id,
                ttl=self.ttl,
                auto_renew=self._auto_renew,
                max_renewals=self._max_renewals,
                abort_on_loss=self._abort_on_loss,
            )
        return self._lock
