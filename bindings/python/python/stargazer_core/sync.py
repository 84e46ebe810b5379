"""The bus for programs without an event loop: scripts, notebooks, threads.

>>> import stargazer_core as sg
>>> with sg.SyncBus("memory://", role="worker") as bus:
...     receipt = bus.publish_inbound(sg.inbound("web", channel="c1", user="u1", text="Berlin?"))
...     with bus.consume_inbound() as inbox, bus.lock("report"):
...         delivery = inbox.next(timeout=1)
...         print(delivery.data.content)
...         delivery.ack()
Berlin?

Everything is what the asynchronous class of the same name has, waited for: one event loop in a thread of its own does
the waiting, so several threads may use one bus, and Ctrl-C ends a wait. What runs coroutines of yours (handlers of
consumers, singleton jobs) needs a loop of yours: ``connect``.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from stargazer_core.bus import Bus, Role, connect
from stargazer_core.consumer import Consumer
from stargazer_core.dead_letter import DeadLetters
from stargazer_core.delivery import Delivery
from stargazer_core.errors import ClosedError, StargazerError
from stargazer_core.events import EventBus, EventBusReader
from stargazer_core.lock import Lease, Lock
from stargazer_core.mirror import Mirror
from stargazer_core.publisher import Publisher
from stargazer_core.serve import Serving
from stargazer_core.store import Batch, Store, Subscription
from stargazer_core.time import Time
from stargazer_core.tool_service import RemoteRegistry, ToolService
from stargazer_core.waiter import Waiter

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from stargazer_core.settings import BusSettings

__all__ = [
    "SyncBatch",
    "SyncBus",
    "SyncConsumer",
    "SyncDeadLetters",
    "SyncDelivery",
    "SyncEventBus",
    "SyncEventBusReader",
    "SyncLease",
    "SyncLock",
    "SyncPublisher",
    "SyncRemoteRegistry",
    "SyncServing",
    "SyncStore",
    "SyncSubscription",
    "SyncTime",
    "SyncToolService",
]

T = TypeVar("T")
R = TypeVar("R")

_HANDLERS = "its handlers are coroutines: iterate a consumer, or use connect"


class SyncPublisher(Mirror, of=Publisher):
    """Publishes and calls; ``delivery.bus`` is one."""

    __slots__ = ()


class SyncDelivery(Mirror, Generic[T], of=Delivery, at_once=True):
    """An entry in your hands. Settling it waits for nothing: outcomes leave with the next burst."""

    __slots__ = ()


class SyncConsumer(Mirror, Generic[T], of=Consumer, without={"run": _HANDLERS}):
    """A reader of a group: iterate it, or ask it for the ``next``.

    A delivery that is not settled before the next one is asked for is still in hand; leaving ``with``, or ``close``,
    releases what is.
    """

    __slots__ = ()


class SyncDeadLetters(Mirror, of=DeadLetters):
    """The entries that were given up."""

    __slots__ = ()


class SyncBatch(Mirror, of=Batch):
    """Writes that are carried out together."""

    __slots__ = ()


class SyncSubscription(Mirror, of=Subscription):
    """An open ear on some channels."""

    __slots__ = ()


class SyncStore(Mirror, of=Store):
    """What a server keeps under keys."""

    __slots__ = ()


def _give_up(
    self: Mirror, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
) -> None:
    """Gives it up. ``StaleError`` when it was lost before the block ended: no thread can be cancelled in the middle."""
    loss: StargazerError | None = self._of._owners.loss
    self._waiter.wait(self._of.__aexit__(kind, error, at))
    if loss is not None and kind is None:
        raise loss


class SyncLock(Mirror, of=Lock):
    """A lock of the fleet. It is renewed beside the block; a loss is told by ``held``, by ``lost`` and at the end."""

    __slots__ = ()
    __exit__ = _give_up


class SyncLease(Mirror, of=Lease):
    """Leadership under a name. A loss is told by ``is_leader``, by ``lost`` and at the end of the block."""

    __slots__ = ()
    __exit__ = _give_up


class SyncEventBus(Mirror, of=EventBus, attributes={"stream": str, "maxlen": int}):
    """Publishes lifecycle events."""

    __slots__ = ()


class SyncEventBusReader(
    Mirror, of=EventBusReader, attributes={"last_id": str}, without=dict.fromkeys(("on", "run"), _HANDLERS)
):
    """Reads lifecycle events."""

    __slots__ = ()


class SyncServing(Mirror, of=Serving):
    """A server of calls: ``with bus.serve({"weather": weather}):``. Plain functions run in threads."""

    __slots__ = ()


class SyncToolService(Mirror, of=ToolService):
    """A tools service: ``with bus.serve_tools(weather):``. Plain functions run in threads."""

    __slots__ = ()


class SyncRemoteRegistry(Mirror, of=RemoteRegistry):
    """The tools that can be called from here: ``with bus.tool_registry() as registry:``."""

    __slots__ = ()


class SyncTime(Mirror, of=Time):
    """The time of a bus that was connected with ``virtual_time=True``."""

    __slots__ = ()


class SyncBus(
    SyncPublisher,
    of=Bus,
    without={
        **dict.fromkeys(("on", "on_inbound", "on_outbound", "run"), _HANDLERS),
        "singleton": "its job is a coroutine: use connect",
    },
):
    """A connected bus whose methods wait. ``with SyncBus(url) as bus`` closes it at the end.

    Takes what :func:`~stargazer_core.connect` takes and connects at once. Methods and errors are those of
    :class:`~stargazer_core.Bus`; ``InvalidError`` where an event loop runs, which the wait would hold.
    """

    __slots__ = ()

    def __init__(
        self,
        url: str | None = None,
        *,
        role: Role | None = None,
        platforms: Iterable[str] = (),
        **settings: Unpack[BusSettings],
    ) -> None:
        """Connects; see :func:`~stargazer_core.connect`."""
        waiter = Waiter()

        async def opened() -> Bus:
            return await connect(url, role=role, platforms=platforms, **settings)

        try:
            super().__init__(waiter, waiter.wait(opened()))
        except BaseException:
            waiter.end()
            raise

    def wait(self, work: Callable[[Bus], Coroutine[Any, Any, R]]) -> R:
        """Anything else that the bus can do: ``bus.wait(lambda bus: …)`` with an ``async def`` of the bus."""

        async def on_the_loop() -> R:
            bus: Bus = self._of
            return await work(bus)

        return self._waiter.wait(on_the_loop())

    def close(self) -> None:
        """Closes it for everybody who uses it: who waits in another thread gets ``ClosedError``. May be called twice.

        Where it is refused, ``InvalidError`` in a running event loop, the bus stays open.
        """
        try:
            self._waiter.last(self._of.close())
        except ClosedError:
            # Another thread closes it, or has.
            self._waiter.end()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Closes it."""
        self.close()
