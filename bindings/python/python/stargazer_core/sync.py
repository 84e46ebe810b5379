"""The bus for programs without an event loop: scripts, notebooks, threads.

Everything is what :mod:`stargazer_core.bus` has, waited for: one event loop in a thread of its own does the waiting, so
several threads may use one bus, and Ctrl-C ends a wait.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic

from stargazer_core.bus import Bus, Role, connect
from stargazer_core.delivery import Delivery
from stargazer_core.envelope import Inbound, Outbound
from stargazer_core.errors import ClosedError, ForkedError, InvalidError
from stargazer_core.info import Entry, Finding, PendingInfo, StreamInfo
from stargazer_core.publisher import Receipt

if TYPE_CHECKING:
    from typing_extensions import Self, TypeVar, Unpack

    from stargazer_core.consumer import Consumer
    from stargazer_core.settings import BusSettings, ConsumerSettings

    T = TypeVar("T", default=Any)
else:
    from typing import TypeVar

    T = TypeVar("T")

R = TypeVar("R")

__all__ = ["SyncBus", "SyncConsumer"]


class _Waiter:
    """An event loop in a thread of its own."""

    def __init__(self) -> None:
        self._process = os.getpid()
        self._loop = asyncio.new_event_loop()
        # A daemon: a bus that nobody closed does not keep the interpreter from ending.
        self._thread = threading.Thread(target=self._loop.run_forever, name="stargazer-sync", daemon=True)
        self._thread.start()

    def wait(self, work: Coroutine[Any, Any, R]) -> R:
        """The result of some work on the loop; interrupted, the work is cancelled."""
        if (refusal := self._refusal()) is not None:
            work.close()
            raise refusal
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def _refusal(self) -> Exception | None:
        if os.getpid() != self._process:
            return ForkedError("this bus was connected before the process was forked; connect again in the child")
        if self._loop.is_closed():
            return ClosedError("this bus is closed; connect again")
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return None
        return InvalidError("SyncBus would hold the running event loop; use `async with connect(…)` here")

    def end(self) -> None:
        """Ends the thread."""
        if self._loop.is_closed() or os.getpid() != self._process:
            return
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


class SyncBus:
    """A connected bus whose methods wait. ``with SyncBus(url) as bus`` closes it at the end.

    Takes what :func:`~stargazer_core.connect` takes and connects at once. Errors are those of the methods of
    :class:`~stargazer_core.Bus`; ``InvalidError`` where an event loop runs, which the wait would hold.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        role: Role | None = None,
        platforms: Iterable[str] = (),
        **settings: Unpack[BusSettings],
    ) -> None:
        """Connects; see :func:`~stargazer_core.connect`."""
        self._waiter = _Waiter()

        async def opened() -> Bus:
            return await connect(url, role=role, platforms=platforms, **settings)

        try:
            self._bus = self._waiter.wait(opened())
        except BaseException:
            self._waiter.end()
            raise

    @property
    def url(self) -> str:
        """The address, without its password."""
        return self._bus.url

    def publish_inbound(
        self, envelope: Mapping[str, Any], *, message_id: str | None = None, wait_replicas: int | None = None
    ) -> Receipt:
        """A message from a platform, for the workers."""
        return self._waiter.wait(
            self._bus.publish_inbound(envelope, message_id=message_id, wait_replicas=wait_replicas)
        )

    def publish_outbound(
        self,
        platform: str,
        envelope: Mapping[str, Any],
        *,
        message_id: str | None = None,
        wait_replicas: int | None = None,
    ) -> Receipt:
        """Something for a platform's gateway to do."""
        return self._waiter.wait(
            self._bus.publish_outbound(platform, envelope, message_id=message_id, wait_replicas=wait_replicas)
        )

    def publish(
        self,
        stream: str,
        body: Any,
        *,
        key: str | None = None,
        message_id: str | None = None,
        trace_id: str | None = None,
        wait_replicas: int | None = None,
    ) -> Receipt:
        """Anything onto any stream."""
        return self._waiter.wait(
            self._bus.publish(
                stream, body, key=key, message_id=message_id, trace_id=trace_id, wait_replicas=wait_replicas
            )
        )

    def consume_inbound(
        self, *, group: str | None = None, **settings: Unpack[ConsumerSettings]
    ) -> SyncConsumer[Inbound]:
        """A consumer of messages from platforms, in the workers' group."""
        return self._consumer(lambda: self._bus.consume_inbound(group=group, **settings))

    def consume_outbound(
        self, platform: str, *, group: str | None = None, **settings: Unpack[ConsumerSettings]
    ) -> SyncConsumer[Outbound]:
        """A consumer of what a platform's gateway is to do, in its group."""
        return self._consumer(lambda: self._bus.consume_outbound(platform, group=group, **settings))

    def consume(self, stream: str, group: str, **settings: Unpack[ConsumerSettings]) -> SyncConsumer[Any]:
        """A consumer of any stream, in any group."""
        return self._consumer(lambda: self._bus.consume(stream, group, **settings))

    def _consumer(self, opened: Callable[[], Consumer[T]]) -> SyncConsumer[T]:
        async def on_the_loop() -> Consumer[T]:
            return opened()

        return SyncConsumer(self._waiter, self._waiter.wait(on_the_loop()))

    def ensure_streams(self, role: Role, platforms: Iterable[str] = ()) -> None:
        """Makes the streams and groups that a role needs; may be called twice."""
        self._waiter.wait(self._bus.ensure_streams(role, platforms))

    def stream_info(self, stream: str) -> StreamInfo:
        """A stream at a glance."""
        return self._waiter.wait(self._bus.stream_info(stream))

    def pending(self, stream: str, group: str) -> PendingInfo:
        """What a group has read and not finished."""
        return self._waiter.wait(self._bus.pending(stream, group))

    def entries(self, stream: str, *, after: str = "0-0", count: int = 100) -> list[Entry]:
        """Entries after an id, oldest first."""
        return self._waiter.wait(self._bus.entries(stream, after=after, count=count))

    def doctor(self) -> list[Finding]:
        """Whether the server is safe to keep messages on."""
        return self._waiter.wait(self._bus.doctor())

    def wait(self, work: Callable[[Bus], Coroutine[Any, Any, R]]) -> R:
        """Anything else that the bus can do: ``bus.wait(lambda bus: bus.dead_letters().list())``."""

        async def on_the_loop() -> R:
            return await work(self._bus)

        return self._waiter.wait(on_the_loop())

    def close(self) -> None:
        """Closes it for everybody who uses it. May be called twice."""
        try:
            self._waiter.wait(self._bus.close())
        except ClosedError:
            return
        finally:
            self._waiter.end()

    def __enter__(self) -> Self:
        """The bus itself; leaving closes it."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Closes it."""
        self.close()

    def __repr__(self) -> str:
        """With the address, without its password."""
        return f"<SyncBus {self.url}>"


class SyncConsumer(Generic[T]):
    """A reader of a group: iterate it, or ask it for the ``next``. See :class:`~stargazer_core.Consumer`.

    A delivery that is not settled before the next one is asked for is still in hand; leaving ``with``, or ``close``,
    releases what is.
    """

    def __init__(self, waiter: _Waiter, consumer: Consumer[T]) -> None:
        """For buses only."""
        self._waiter = waiter
        self._consumer = consumer

    def next(self, *, timeout: float | None = None) -> Delivery[T]:
        """The next delivery, waited for as long as it takes or for ``timeout`` seconds.

        Raises:
            TimeoutError: nothing came in time.
            ClosedError: the consumer is closed.
        """
        return self._waiter.wait(self._consumer.next(timeout=timeout))

    def next_batch(self, n: int, *, timeout: float | None = None) -> list[Delivery[T]]:
        """At least one delivery, at most ``n``; none once the consumer is closed."""
        return self._waiter.wait(self._consumer.next_batch(n, timeout=timeout))

    def __iter__(self) -> Iterator[Delivery[T]]:
        """Deliveries, until the consumer is closed."""
        while True:
            try:
                yield self.next()
            except ClosedError:
                return

    def close(self) -> None:
        """Ends it; what is in hand is released. May be called twice."""
        self._waiter.wait(self._consumer.close())

    def __enter__(self) -> Self:
        """The consumer itself; leaving closes it."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Closes it."""
        self.close()
