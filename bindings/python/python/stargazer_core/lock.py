"""Locks and leases over the whole fleet: at most one holder at a time, as long as the server remembers.

>>> import asyncio, stargazer_core as sg
>>> async def main() -> None:
...     async with sg.connect("memory://") as bus:
...         async with bus.lock("report", ttl=30) as lock:
...             print(lock.held, await bus.lock("report").try_acquire())
...         async with bus.lease("status") as lease:
...             print(lease.fence)
>>> asyncio.run(main())
True False
1
"""

from __future__ import annotations

import abc
import asyncio
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Generic, Protocol, TypedDict, TypeVar

from stargazer_core import _native
from stargazer_core.arguments import need_seconds
from stargazer_core.loop import ask
from stargazer_core.owner import Owners, taken

if TYPE_CHECKING:
    from asyncio import Future

    from typing_extensions import Self

    from stargazer_core.errors import StargazerError

__all__ = ["Lease", "LeaseSettings", "Lock", "LockSettings"]


class LockSettings(TypedDict, total=False):
    """How a lock is taken and kept. Durations are seconds."""

    #: How long it lasts unless it is renewed; 0.1 to 86,400. 30 s.
    ttl: float
    #: Renew it after each third of ``ttl`` for as long as it is held. Yes.
    auto_renew: bool
    #: How often at most it is renewed by itself, so that an owner that is stuck does not keep it for ever. No limit.
    max_renewals: int | None
    #: Whether its loss cancels the task that took it. Otherwise it is only told. Yes.
    abort_on_loss: bool
    #: How long taking it waits for others, and for a server that cannot be reached. No limit.
    wait: float | None


class LeaseSettings(TypedDict, total=False):
    """How a lease is taken and kept. Durations are seconds."""

    #: How long another process waits after a leader died; 0.1 to 86,400. 15 s.
    ttl: float
    #: How long taking it waits for others, and for a server that cannot be reached. No limit.
    wait: float | None


class _Default:
    """Stands for what the settings say."""


#: The time that the settings name.
_AS_SET: Final = _Default()


def _wait(timeout: float | _Default | None) -> float | None:
    if isinstance(timeout, _Default):
        return None
    # Less than nothing is for ever.
    return -1.0 if need_seconds("timeout", timeout) is None else timeout


class _Native(Protocol):
    """The core's end of what is held."""

    def leave(self, bridge: _native.Bridge, future: Future[None]) -> None: ...


N = TypeVar("N", bound=_Native)


class _Taken(abc.ABC, Generic[N]):
    """What tasks take and give up, and may lose in between."""

    __slots__ = ("__weakref__", "_native", "_owners")

    def __init__(self, native: N, owners: Owners) -> None:
        """For locks and leases."""
        self._native = native
        self._owners = owners

    @abc.abstractmethod
    async def acquire(self) -> object:
        """Takes it."""

    async def lost(self) -> StargazerError | None:
        """Waits for the end of what is held: why it was lost, or nothing when it was given up or is not held."""
        return await self._owners.wait()

    async def __aenter__(self) -> Self:
        """Takes it."""
        await self.acquire()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        """Gives it up. ``StaleError`` when the block was ended because it was lost."""
        await self._owners.end(kind, self._leave())

    async def _leave(self) -> None:
        await ask(self._native.leave)

    async def _leave_for_good(self, task: asyncio.Task[Any] | None) -> None:
        """Gives up what a task took and will not come back to."""
        for _ in range(self._owners.forget(task)):
            await self._leave()


class Lock(_Taken[_native.Lock]):
    """A lock: ``async with bus.lock(name):``, or :meth:`acquire` and :meth:`release`.

    When it is lost, the task that took it is cancelled, a fifth of ``ttl`` before anybody else can have it; the block
    raises ``StaleError`` then. With ``abort_on_loss=False`` it is only told (:meth:`lost`, :attr:`held`).

    Re-entrant per object: what is taken twice is given up twice, whoever does it; others need an object of their own.
    One that nobody refers to any more is given up.
    """

    __slots__ = ()

    def __init__(self, native: _native.Lock) -> None:
        """For :meth:`Bus.lock` only."""
        super().__init__(native, Owners(native.lost, abort=native.abort_on_loss))

    @property
    def key(self) -> str:
        """The key it stands under."""
        return self._native.key

    @property
    def held(self) -> bool:
        """Whether it is held."""
        return self._native.held

    @property
    def token(self) -> str | None:
        """The token of what is held."""
        return self._native.token

    async def acquire(self, *, timeout: float | _Default | None = _AS_SET) -> None:
        """Takes it; waits for others as long as its setting ``wait`` says, or ``timeout`` (``None``: for ever).

        Raises:
            TimeoutError: somebody else held it all the time.
            UnavailableError: the server could not be reached in that time.
            StaleError: this object has lost it and did not give it up yet.
        """
        wait = _wait(timeout)
        await taken(lambda asking: ask(self._native.acquire, asking, wait))
        self._owners.enter()

    async def try_acquire(self) -> bool:
        """Takes it if nobody else holds it; whether it did. One attempt."""
        got = await taken(lambda asking: ask(self._native.try_acquire, asking))
        if got:
            self._owners.enter()
        return got

    async def renew(self) -> bool:
        """Lets it last ``ttl`` from now; ``False``: it is not held, or lost. An error changes nothing."""
        return await ask(self._native.renew)

    async def release(self) -> bool:
        """Gives it up, as often as it was taken; ``False``: it was not ours any more.

        A server that does not answer is asked again for 2 s; after an error the lock lapses by itself.
        """
        self._owners.leave()
        return await ask(self._native.release)

    def __repr__(self) -> str:
        """With the key."""
        return f"<Lock {self.key}{' held' if self.held else ''}>"


class Lease(_Taken[_native.Lease]):
    """Leadership under a name: ``async with bus.lease(name) as lease:``, or :meth:`acquire` and :meth:`resign`.

    One leader in the fleet. The task that leads is cancelled when leadership is lost, a fifth of ``ttl`` before
    anybody else can lead; the block raises ``StaleError`` then. Hand :attr:`fence` to what must refuse an old leader.
    """

    __slots__ = ("_led",)

    def __init__(self, native: _native.Lease) -> None:
        """For :meth:`Bus.lease` only."""
        super().__init__(native, Owners(native.lost, abort=True))
        #: The number under which its owner is known.
        self._led: int | None = None

    @property
    def fence(self) -> int | None:
        """The fencing number for as long as it leads: larger than those of all leaders before."""
        return self._native.fence

    @property
    def is_leader(self) -> bool:
        """Whether it leads."""
        return self._native.fence is not None

    async def acquire(self, *, timeout: float | _Default | None = _AS_SET) -> int:
        """Leads; waits for others as long as its setting ``wait`` says, or ``timeout`` (``None``: for ever).

        Gives the fencing number; who leads already gets its number again.

        Raises:
            TimeoutError: somebody else led all the time.
            UnavailableError: the server could not be reached in that time.
        """
        wait = _wait(timeout)
        fence = await taken(lambda asking: ask(self._native.acquire, asking, wait))
        self._leads(fence)
        return fence

    async def try_acquire(self) -> int | None:
        """Leads if nobody else does; the fencing number, or nothing. One attempt."""
        fence = await taken(lambda asking: ask(self._native.try_acquire, asking))
        if fence is not None:
            self._leads(fence)
        return fence

    def _leads(self, fence: int) -> None:
        if fence != self._led:
            self._led = fence
            self._owners.clear()
            self._owners.enter()

    async def resign(self) -> bool:
        """Lets somebody else lead, at once; ``False``: it led no more."""
        self._owners.leave()
        return await ask(self._native.resign)

    def __repr__(self) -> str:
        """With its number."""
        return f"<Lease {self.fence or 'of somebody else'}>"
