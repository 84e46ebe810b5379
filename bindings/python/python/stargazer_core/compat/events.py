"""The original's lifecycle events: ``EventBus``, ``EventBusReader`` and the bus of the process.

Best effort: publishing never raises, and failures are told once for each streak. Connections are made when they are
first needed.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

from stargazer_core import _native, events
from stargazer_core.compat.link import MAXLEN, Link
from stargazer_core.errors import InvalidError, StargazerError
from stargazer_core.events import EVENT_KINDS

if TYPE_CHECKING:
    from stargazer_core.bus import Bus

__all__ = [
    "EVENT_KINDS",
    "EventBus",
    "EventBusReader",
    "NullEventBus",
    "get_event_bus",
    "install_default_bus",
    "set_event_bus",
]

_log = logging.getLogger("stargazer_core.compat")

#: The original's stream.
_STREAM = _native.event_stream()

#: Where the server is when neither the caller nor ``REDIS_URL`` says so.
_URL = "redis://localhost:6379/0"

#: Of a streak of failures the first is told, and then every so many.
_TELL_EVERY = 100

#: How long one read waits, and how many events it gives.
_BLOCK_MS = 5000
_COUNT = 50

#: Seconds between two attempts of a reader to connect.
_PAUSE = 1.0


class EventBus:
    """Publishes lifecycle events to a stream."""

    def __init__(
        self,
        redis_url: str | None = None,
        stream: str = _STREAM,
        maxlen: int = MAXLEN,
    ) -> None:
        """Opens no connection.

        Without ``redis_url`` the address is that of the variable ``REDIS_URL``, else a server on this machine. The
        stream keeps about ``maxlen`` events; 0 keeps all.
        """
        self.redis_url: str = redis_url or _native.url_from_env() or _URL
        self.stream = stream
        self.maxlen = maxlen
        # A server that is away must hold nobody up.
        self._link = Link(self.redis_url, patience=0.0)
        self._opened: tuple[Bus, events.EventBus] | None = None
        self._consecutive_failures = 0
        self._tasks: set[asyncio.Task[str]] = set()

    async def publish(
        self,
        kind: str,
        *,
        arena: str = "",
        arena_id: str = "",
        phase: str = "",
        correlation_id: str = "",
        payload: dict[str, Any] | None = None,
    ) -> str:
        """Publishes an event and gives its id, ``""`` when that failed. Never raises.

        Without ``correlation_id`` it gets 32 hexadecimal digits of its own. A kind that is not in ``EVENT_KINDS`` is
        forwarded.
        """
        try:
            opened = await self._open()
            event_id = await opened.publish_and_wait(
                kind, arena=arena, arena_id=arena_id, phase=phase, correlation_id=correlation_id, payload=payload
            )
        except Exception as error:
            self._failed(error)
            return ""
        if event_id:
            self._consecutive_failures = 0
        else:
            # The core has told it, with the reason.
            self._consecutive_failures += 1
        return event_id

    def publish_nowait(self, kind: str, **kwargs: Any) -> None:
        """Has :meth:`publish` run in the background; without a running loop the event is dropped silently."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return
        task = loop.create_task(self.publish(kind, **kwargs))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def aclose(self) -> None:
        """Waits for what :meth:`publish_nowait` began and gives the connection up. Never raises; may come twice."""
        loop = asyncio.get_running_loop()
        await asyncio.gather(*(task for task in self._tasks if task.get_loop() is loop), return_exceptions=True)
        opened, self._opened = self._opened, None
        try:
            if opened is not None:
                await opened[1].aclose()
            await self._link.close()
        except StargazerError as error:
            _log.debug("an event bus closed with trouble: %s", error)

    async def _open(self) -> events.EventBus:
        bus = await self._link.bus()
        if self._opened is None or self._opened[0] is not bus:
            self._opened = (bus, bus.events(self.stream, maxlen=max(self.maxlen, 0)))
        return self._opened[1]

    def _failed(self, error: Exception) -> None:
        self._consecutive_failures += 1
        if self._consecutive_failures == 1 or self._consecutive_failures % _TELL_EVERY == 0:
            _log.warning(
                "EventBus publish failed (%s); stream %s; not told again before the next success", error, self.stream
            )


class NullEventBus(EventBus):
    """Publishes nothing and touches no network: for tests, and where there is no server."""

    def __init__(self) -> None:
        """Needs no server."""
        self.redis_url = ""
        self.stream = ""
        self.maxlen = 0
        self._consecutive_failures = 0

    async def publish(self, kind: str, **kwargs: Any) -> str:
        """Gives ``""``."""
        return ""

    def publish_nowait(self, kind: str, **kwargs: Any) -> None:
        """Does nothing."""

    async def aclose(self) -> None:
        """Does nothing."""


class EventBusReader:
    """Iterates over the events of a stream: ``async for event in EventBusReader(…)``.

    An event is a ``dict``: what was written, and its ``stream_id``. What is no event is its ``stream_id`` and an
    ``error``: ``no_data_field``, ``json_decode: …``, ``bad_utf8`` or ``not_an_object``. Outages are waited through.
    """

    def __init__(
        self,
        redis_url: str | None = None,
        stream: str = _STREAM,
        last_id: str = "$",
        block_ms: int = _BLOCK_MS,
        count: int = _COUNT,
    ) -> None:
        """Opens no connection. Reads after ``last_id``: ``"$"`` for what comes from now on, ``"0"`` for everything."""
        self.redis_url: str = redis_url or _native.url_from_env() or _URL
        self.stream = stream
        self.last_id: str = last_id
        self.block_ms = block_ms
        self.count = count
        self._link = Link(self.redis_url, patience=0.0)
        self._readers: set[events.EventBusReader] = set()

    async def __aiter__(self) -> AsyncIterator[dict[str, Any]]:
        """Events as they come, until it is closed; ``last_id`` is that of the last one.

        Raises:
            InvalidError: a setting cannot be meant; trying again would not help.
        """
        reader = await self._open()
        self._readers.add(reader)
        try:
            async for event in reader:
                self.last_id = event["stream_id"]
                yield event
        finally:
            self._readers.discard(reader)
            await reader.aclose()

    async def aclose(self) -> None:
        """Ends every iteration and gives the connection up. Never raises; may be called twice."""
        for reader in list(self._readers):
            await reader.aclose()
        try:
            await self._link.close()
        except StargazerError as error:
            _log.debug("a reader of events closed with trouble: %s", error)

    async def _open(self) -> events.EventBusReader:
        while True:
            try:
                bus = await self._link.bus()
                # 0 is no limit to the server; how often it is asked is all the same to whoever reads.
                block_ms, count = self.block_ms or _BLOCK_MS, self.count or _COUNT
                return bus.event_reader(self.stream, last_id=self.last_id, block_ms=block_ms, count=count)
            except InvalidError:
                raise
            except StargazerError as error:
                _log.warning("EventBusReader cannot connect and goes on trying: %s", error)
                await asyncio.sleep(_PAUSE)


_bus: EventBus | None = None


def set_event_bus(bus: EventBus | None) -> None:
    """Makes this the bus of the process; ``None`` takes it away."""
    global _bus
    _bus = bus


def get_event_bus() -> EventBus:
    """The bus of the process; without one, a bus that publishes nothing."""
    return NullEventBus() if _bus is None else _bus


def install_default_bus(redis_url: str, stream: str = _STREAM, maxlen: int = MAXLEN) -> EventBus:
    """Makes an event bus and has it be that of the process."""
    bus = EventBus(redis_url=redis_url, stream=stream, maxlen=maxlen)
    set_event_bus(bus)
    return bus
