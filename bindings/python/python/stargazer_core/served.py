"""What the core runs with functions of a loop, such as a server of calls or a registry: opened and closed alike."""

from __future__ import annotations

import abc
from collections.abc import Awaitable, Callable, Generator
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar
from weakref import ref

from stargazer_core import _native
from stargazer_core.arguments import need_seconds
from stargazer_core.errors import ClosedError
from stargazer_core.loop import ask, errands

if TYPE_CHECKING:
    from asyncio import Future

    from typing_extensions import Self

    from stargazer_core.bus import Bus
    from stargazer_core.errands import Errand, Errands

__all__ = ["Enlisted", "Opening", "Served"]


class Enlisted:
    """Functions of one loop that somebody has the core know, until they are dismissed together."""

    def __init__(self) -> None:
        """None yet."""
        # Not held: with its loop it goes.
        self._errands: ref[Errands] | None = None
        self._numbers: list[int] = []

    def enlist(self, function: Callable[[Errand], Awaitable[Any]]) -> int:
        """One more, on the running loop."""
        of = errands()
        self._errands = ref(of)
        number = of.enlist(function)
        self._numbers.append(number)
        return number

    def dismiss(self) -> None:
        """None of them any more."""
        there = None if self._errands is None else self._errands()
        for number in self._numbers:
            if there is not None:
                there.dismiss(number)
        self._numbers.clear()

    async def kept(self, opening: Awaitable[Any]) -> Any:
        """What was opened with them; they go where it was not."""
        try:
            return await opening
        except BaseException:
            self.dismiss()
            raise


N = TypeVar("N")


class Opening(abc.ABC, Generic[N]):
    """Something that the core runs with functions of this loop; opened by ``async with`` or ``await``."""

    def __init__(self, bus: Bus, what: str) -> None:
        """For what derives from it."""
        self._bus = bus
        self._what = what
        self._native: N | None = None
        self._enlisted = Enlisted()

    @abc.abstractmethod
    async def _begin(self) -> N:
        """The core's end of it, opened."""

    @abc.abstractmethod
    async def close(self) -> None:
        """Ends it. May be called twice."""

    def _opened(self) -> N:
        if self._native is None:
            raise ClosedError(f"{self._what} is not open: `async with` or `await` opens it")
        return self._native

    async def _open(self) -> Self:
        if self._native is None:
            self._native = await self._enlisted.kept(self._begin())
        return self

    def __await__(self) -> Generator[Any, None, Self]:
        """Opens it."""
        return self._open().__await__()

    async def __aenter__(self) -> Self:
        """Opens it; leaving closes it."""
        return await self._open()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        """Closes it."""
        await self.close()


class _Closing(Protocol):
    """The core's end of what has calls to end."""

    def close(self, bridge: _native.Bridge, future: Future[None], within: float | None) -> None: ...


C = TypeVar("C", bound=_Closing)


class Served(Opening[C]):
    """What serves calls: its bus closes it too, and what runs when it closes has a time to end."""

    async def _open(self) -> Self:
        await super()._open()
        self._bus._serving.add(self)
        return self

    async def close(self, *, drain_timeout: float | None = None) -> None:
        """Ends it: nothing new is started, what runs gets the drain time, the rest goes to others at once.

        A tools service leaves the catalog first. May be called twice.
        """
        need_seconds("drain_timeout", drain_timeout)
        if self._native is not None:
            try:
                await ask(self._native.close, drain_timeout)
            finally:
                self._bus._serving.discard(self)
                self._enlisted.dismiss()
