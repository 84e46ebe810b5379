"""What a bus has to do with locks: a part of :class:`Bus` in a file of its own."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar
from weakref import WeakSet

from stargazer_core import _native
from stargazer_core.lock import Lease, Lock
from stargazer_core.singleton import Singleton

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from stargazer_core.lock import LeaseSettings, LockSettings
    from stargazer_core.singleton import SingletonSettings

__all__ = ["Locks"]

L = TypeVar("L", Lock, Lease)


class Locks:
    """Locks, leases and singleton jobs of a bus."""

    __slots__ = ()

    _native: _native.Bus
    #: Locks and leases that somebody may hold.
    _locks: WeakSet[Lock | Lease]

    def lock(self, name: str, **settings: Unpack[LockSettings]) -> Lock:
        """A lock over the fleet. Nothing is taken yet. A name with a colon is the key itself.

        Raises:
            InvalidError: a name or a setting is out of range.
        """
        return self._known(Lock(_native.lock(self._native, name, False, dict(settings))))

    def channel_lock(self, channel: str, **settings: Unpack[LockSettings]) -> Lock:
        """The original's lock of a channel, by its id or key; the one that workers in mode ``lock`` take."""
        return self._known(Lock(_native.lock(self._native, channel, True, dict(settings))))

    def lease(self, name: str, **settings: Unpack[LeaseSettings]) -> Lease:
        """Leadership under a name. Nobody leads yet."""
        return self._known(Lease(_native.lease(self._native, name, dict(settings))))

    def singleton(self, name: str, **settings: Unpack[SingletonSettings]) -> Singleton:
        """A job that runs on one process of the fleet at a time. Nothing runs yet."""
        return Singleton(_native.singleton(self._native, name, dict(settings)))

    def _known(self, lock: L) -> L:
        self._locks.add(lock)
        return lock

    async def _give_up_own(self) -> None:
        """Gives up what the task took that closes the bus: it would be told of a loss by its own doing."""
        task = asyncio.current_task()
        for lock in list(self._locks):
            await lock._leave_for_good(task)
