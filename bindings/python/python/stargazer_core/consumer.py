"""Consumers: readers of a group, by pull or with a handler."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, Literal

from stargazer_core import _native
from stargazer_core.arguments import need_count, need_seconds
from stargazer_core.body import Read
from stargazer_core.delivery import Delivery
from stargazer_core.errors import ClosedError, InvalidError
from stargazer_core.handler import Handler, Run
from stargazer_core.loop import ask
from stargazer_core.notice import Notice

if TYPE_CHECKING:
    from typing_extensions import Self, TypeVar

    T = TypeVar("T", default=Any)
else:
    from typing import TypeVar

    T = TypeVar("T")

__all__ = ["Consumer"]

#: How a wait ended.
Came = Literal["arrived", "cancelled", "idle", "ended", "woken"]

#: Deliveries that cross from the core at a time.
BATCH = 64


async def _may_run(native: _native.Delivery) -> bool:
    """Whoever takes a delivery begins it; only one that may have killed its process has to wait for that."""
    return await ask(native.begin) if native.suspect else native.begin_now()


def _limit(timeout: float | None) -> _native.Limit | None:
    """A time limit over several waits: what came and did not fit does not begin it anew."""
    seconds = need_seconds("timeout", timeout)
    return None if seconds is None else _native.Limit(seconds)


class Consumer(Generic[T]):
    """A reader of a group: iterate it, ask it for the ``next``, or let it ``run`` a handler.

    It joins its group when it is first used, and is closed by leaving ``async with`` or by ``close``; what is in hand
    then is released, for others to pick up at once. Errors that may come at any use: ``ConflictError`` (the group runs
    under other settings), ``UnavailableError``, ``AuthError``, ``ForkedError``; and ``StaleError`` when an outcome that
    was reported before was refused, because another consumer had taken the work over.
    """

    def __init__(self, native: _native.Consumer, read: Read[T], *, typed: bool = False) -> None:
        """For buses only."""
        self._native = native
        self._read = read
        #: Whether a body may be found not to fit.
        self._typed = typed
        self._run: Run[T] | None = None
        #: Deliveries that handlers were run for.
        self._handled = 0

    async def next(self, *, timeout: float | None = None) -> Delivery[T]:
        """The next delivery, waited for as long as it takes or for ``timeout`` seconds.

        Raises:
            TimeoutError: nothing came in time.
            ClosedError: the consumer is closed.
        """
        delivery = await self._next(_limit(timeout))
        if delivery is None:
            raise ClosedError("this consumer is closed; open a new one")
        return delivery

    async def next_batch(
        self,
        n: int,
        *,
        timeout: float | None = None,
    ) -> list[Delivery[T]]:
        """At least one delivery, as many as are there, at most ``n``; none once the consumer is closed.

        Raises:
            TimeoutError: nothing came within ``timeout`` seconds.
        """
        need_count("n", n, least=1)
        limit = _limit(timeout)
        while True:
            taken = [await self._handed(native) for native in self._native.take(n)]
            if fit := [delivery for delivery in taken if delivery is not None]:
                return fit
            if await self._wait(max(n, BATCH), limit, until_idle=False) == "ended":
                return []

    def __aiter__(self) -> Self:
        """Deliveries, until the consumer is closed."""
        return self

    async def __anext__(self) -> Delivery[T]:
        """The next delivery."""
        delivery = await self._next(None)
        if delivery is None:
            raise StopAsyncIteration
        return delivery

    async def _next(self, limit: _native.Limit | None) -> Delivery[T] | None:
        while True:
            native = self._native.pop()
            if native is not None:
                if (delivery := await self._handed(native)) is not None:
                    return delivery
                continue
            if await self._wait(BATCH, limit, until_idle=False) == "ended":
                return None

    async def _handed(self, native: _native.Delivery) -> Delivery[T] | None:
        """The delivery, if it may be handed out."""
        if not await _may_run(native):
            return None
        delivery = Delivery(native, self._read)
        return delivery if not self._typed or delivery._fits() else None

    async def run(self, handler: Handler[T], *, concurrency: int | None = None, until_idle: bool = False) -> None:
        """Runs a handler for every delivery, each in a task and context of its own, until the consumer is closed.

        The handler is an ``async def`` that takes the body and the delivery, or only the body. Returning ``None`` is
        ack, raising is retry (with the error's text), raising ``Reject`` is dead letter, an ``Outcome`` is itself. A
        handler whose delivery is cancelled (another consumer has the work, it ran longer than ``handler_timeout``, or
        the drain time is over) gets ``CancelledError``. When ``run`` itself is cancelled, its handlers are, and their
        deliveries are released.

        A body that does not fit the type that the consumer reads, or that is not there, goes to the dead letters with
        the reason ``malformed``, and no handler sees it.

        ``concurrency`` is how many handlers run at a time, by default that of the consumer; it can only be given here
        when the consumer was not used before. ``until_idle`` ends the run once nothing is left to do, retries included.

        Raises:
            InvalidError: the handler is not of that form, or returned something else; its delivery is released.
        """
        if self._run is not None:
            raise InvalidError("this consumer runs a handler already; make another one", {"field": "handler"})
        self._native.serve(concurrency)
        self._run = Run(handler, self._read, self._native)
        try:
            while not self._run.failed:
                came = await self._wait(BATCH, None, until_idle=until_idle)
                if came in ("ended", "idle"):
                    break
                self._run.step(cancelled=came == "cancelled")
            await self._run.finish()
        finally:
            await self._run.stop()
            self._handled += self._run.handled
            self._run = None

    async def _wait(self, n: int, limit: _native.Limit | None, *, until_idle: bool) -> Came:
        try:
            return await ask(self._native.more, n, limit, self._run is not None, until_idle)
        except asyncio.CancelledError:
            # Nothing is to be fetched for somebody who has gone.
            self._native.wake()
            raise

    async def notices(self) -> AsyncIterator[Notice]:
        """What happens besides deliveries: ``async for notice in consumer.notices()``, until the consumer is closed.

        From the first step on, not before it. Who reads too slowly misses the oldest and gets a notice ``missed``.
        """
        listening = await ask(self._native.listen)
        while True:
            row = await ask(listening.next)
            if row is None:
                return
            yield Notice(row.pop("kind"), row)

    async def close(self) -> None:
        """Ends it: no new work; running handlers get ``drain_timeout``, what is in hand otherwise is released.

        May be called twice. Trouble that could not be told before is raised here.
        """
        await ask(self._native.close, 0.0 if self._run is None else None)

    async def __aenter__(self) -> Self:
        """The consumer itself; leaving closes it."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        """Closes it."""
        await self.close()
