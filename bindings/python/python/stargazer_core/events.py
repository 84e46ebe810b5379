"""Lifecycle events: what happens in a process, told to whoever watches.

Best effort: publishing never raises, never holds its caller for more than 50 ms, and counts what it drops. Events are
JSON in the field ``data`` of a stream, in the original's bytes.

>>> import asyncio, stargazer_core as sg
>>> async def main() -> None:
...     async with sg.connect("memory://") as bus:
...         sg.events.install_default_bus(bus)
...         reader = bus.event_reader(last_id="0")
...         sg.events.publish_nowait("agent.complete", payload={"channel": "c1"})
...         async for event in reader:
...             print(event["kind"], event["payload"])
...             break
...         sg.events.set_event_bus(None)
>>> asyncio.run(main())
agent.complete {'channel': 'c1'}
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypedDict, TypeVar, overload

from stargazer_core import _native
from stargazer_core.errors import InvalidError, StargazerError
from stargazer_core.loop import ask
from stargazer_core.payload import payload_json

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from stargazer_core.bus import Bus

__all__ = [
    "EVENT_KINDS",
    "EventBus",
    "EventBusReader",
    "EventFields",
    "EventHandler",
    "NullEventBus",
    "get_event_bus",
    "install_default_bus",
    "publish_nowait",
    "set_event_bus",
]

_log = logging.getLogger("stargazer_core")

#: The kinds of the original. Others are forwarded too.
EVENT_KINDS: frozenset[str] = frozenset(_native.event_kinds())

#: How many events a stream keeps unless told otherwise.
_MAXLEN = 100_000

#: What handles an event: a function or a coroutine function.
EventHandler = Callable[[dict[str, Any]], Awaitable[None] | None]
H = TypeVar("H", bound=EventHandler)

#: What the core hands over: an id, the bytes of ``data``, and places of handlers; ``None`` once it is closed.
_Row = tuple[str, bytes | None, list[int]]


class EventFields(TypedDict, total=False):
    """What an event says besides its kind."""

    #: Arena, ``""`` for none.
    arena: str
    #: Run of the arena.
    arena_id: str
    #: Phase of the run.
    phase: str
    #: What belongs together; 32 hexadecimal digits of its own otherwise.
    correlation_id: str
    #: Whatever else there is to say. Maps, sequences and scalars go as they are, models by ``model_dump``, other
    #: objects by their public attributes, everything else as text; so does a cycle.
    payload: object


def _need_bus(bus: Bus) -> _native.Bus:
    native = getattr(bus, "_native", None)
    if isinstance(native, _native.Bus):
        return native
    raise InvalidError(f"bus must be a connected Bus, found {type(bus).__name__}", {"argument": "bus"})


class EventBus:
    """Publishes lifecycle events. Made over a connected bus, and ends with it."""

    def __init__(self, bus: Bus, stream: str | None = None, maxlen: int = _MAXLEN) -> None:
        """Over a bus, to a stream (the original's unless named) that keeps about ``maxlen`` events; 0 keeps all.

        Raises:
            InvalidError: an argument is wrong.
        """
        self._native: _native.EventBus | None = _need_bus(bus).events(stream, maxlen)
        #: The stream.
        self.stream: str = self._native.stream
        #: About how many events the stream keeps; 0 for all.
        self.maxlen: int = self._native.max_len

    async def publish(self, kind: str, **fields: Unpack[EventFields]) -> str:
        """Publishes an event and waits at most 50 ms for its id. ``""``: it was dropped, or is still queued."""
        return await self._publish(kind, fields, waits=False)

    async def publish_and_wait(self, kind: str, **fields: Unpack[EventFields]) -> str:
        """Publishes an event and waits for what becomes of one attempt, however long. ``""``: it failed."""
        return await self._publish(kind, fields, waits=True)

    def publish_nowait(self, kind: str, **fields: Unpack[EventFields]) -> None:
        """Publishes an event and waits for nothing. From any thread, with a running loop or without."""
        if self._native is None:
            return
        try:
            self._native.publish_nowait(_row(kind, fields))
        except StargazerError as error:
            _log.debug("an event was dropped: %s", error)

    @property
    def stats(self) -> dict[str, int]:
        """What became of the events: ``published``, ``dropped``, ``failed``, ``late`` and ``queued``."""
        if self._native is None:
            return dict.fromkeys(("published", "dropped", "failed", "late", "queued"), 0)
        return self._native.stats()

    async def aclose(self) -> None:
        """Sends what waits, for at most 2 s, drops the rest and takes nothing any more. May be called twice."""
        if self._native is not None:
            await ask(self._native.close)

    async def __aenter__(self) -> EventBus:
        """Itself; leaving closes it."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        """Closes it."""
        await self.aclose()

    async def _publish(self, kind: str, fields: EventFields, *, waits: bool) -> str:
        if self._native is None:
            return ""
        try:
            return await ask(self._native.publish, _row(kind, fields), waits)
        except StargazerError as error:
            _log.debug("an event was dropped: %s", error)
            return ""


class NullEventBus(EventBus):
    """Publishes nothing: for tests, and where there is no server."""

    def __init__(self) -> None:
        """Needs no bus."""
        self._native = None
        self.stream = ""
        self.maxlen = 0


class EventBusReader:
    """Reads lifecycle events: iterate it, or say what handles which kinds and :meth:`run` it.

    An event is a ``dict``: what was written, and its ``stream_id``. What is no event is its ``stream_id`` and an
    ``error``: ``no_data_field``, ``bad_utf8``, ``not_an_object``, or ``json_decode: …``. Outages are waited through.
    """

    def __init__(
        self,
        bus: Bus,
        stream: str | None = None,
        last_id: str = "$",
        block_ms: int = 5000,
        count: int = 50,
    ) -> None:
        """Over a bus, after ``last_id``: ``"$"`` for what comes from now on, ``"0"`` for everything, or an entry's id.

        Raises:
            InvalidError: an argument is wrong.
        """
        self._native = bus._native.event_reader(stream, last_id, block_ms, count)
        #: The id of the last event that was handed out, to go on from another time.
        self.last_id: str = last_id
        self._handlers: dict[int, EventHandler] = {}
        self._waiting: list[tuple[str, EventHandler]] = []
        self._next: asyncio.Future[_Row | None] | None = None
        self._routed = False

    async def ready(self) -> None:
        """Finds the end if that is where it begins: what is published afterwards is read."""
        if self.last_id == "$":
            self.last_id = await ask(self._native.ready)

    @overload
    def on(self, kind: str, handler: None = None) -> Callable[[H], H]: ...
    @overload
    def on(self, kind: str, handler: H) -> H: ...
    def on(self, kind: str, handler: H | None = None) -> H | Callable[[H], H]:
        """Has events of a kind handled by :meth:`run`: ``phase.start``, ``phase.*`` or ``*``. Before it runs.

        Without a handler it is a decorator.
        """
        if handler is None:

            def register(decorated: H) -> H:
                self._waiting.append((kind, decorated))
                return decorated

            return register
        self._waiting.append((kind, handler))
        return handler

    async def run(self) -> None:
        """Reads until it is closed, and hands each event to the handlers that want it, one after the other.

        A handler that raises is told in the log, and so is, once, a kind that nobody knows and nobody wants.

        Raises:
            InvalidError: a kind that was given to :meth:`on` is none, or the key holds something else than a stream.
        """
        self._routed = True
        for kind, handler in self._waiting:
            self._handlers[await ask(self._native.route, kind)] = handler
        self._waiting.clear()
        while (row := await self._row()) is not None:
            event = _event(row[0], row[1])
            for place in row[2]:
                await self._handle(self._handlers[place], event)

    async def __aiter__(self) -> AsyncIterator[dict[str, Any]]:
        """Events as they come, until it is closed."""
        while (row := await self._row()) is not None:
            yield _event(row[0], row[1])

    async def next(self) -> dict[str, Any] | None:
        """The next event; ``None`` once it is closed. May be cancelled: the event comes with the next call then."""
        row = await self._row()
        return None if row is None else _event(row[0], row[1])

    async def aclose(self) -> None:
        """Ends it. May be called twice."""
        self._native.close()

    async def _row(self) -> _Row | None:
        # Whoever is cancelled while waiting leaves the read under way to the next one.
        if self._next is None:
            self._next = ask(self._native.next, self._routed)
        waiting = self._next
        try:
            row = await asyncio.shield(waiting)
        except asyncio.CancelledError:
            raise
        except BaseException:
            self._next = None
            raise
        self._next = None
        if row is not None:
            self.last_id = row[0]
        return row

    async def _handle(self, handler: EventHandler, event: dict[str, Any]) -> None:
        try:
            handled = handler(dict(event))
            if handled is not None:
                await handled
        except Exception:
            _log.warning("a handler of events failed at %s", event["stream_id"], exc_info=True)


_bus: EventBus | None = None


def set_event_bus(bus: EventBus | None) -> None:
    """Makes this the bus of the process; ``None`` takes it away."""
    global _bus
    _bus = bus


def get_event_bus() -> EventBus:
    """The bus of the process; without one, a bus that publishes nothing."""
    return NullEventBus() if _bus is None else _bus


def install_default_bus(bus: Bus, stream: str | None = None, maxlen: int = _MAXLEN) -> EventBus:
    """Makes an event bus over a bus and has it be that of the process."""
    events = EventBus(bus, stream, maxlen)
    set_event_bus(events)
    return events


def publish_nowait(kind: str, **fields: Unpack[EventFields]) -> None:
    """Publishes an event on the bus of the process and waits for nothing."""
    if _bus is not None:
        _bus.publish_nowait(kind, **fields)


def _row(kind: str, fields: Mapping[str, Any]) -> tuple[str, str, str, str, str, str]:
    texts = [_text(fields.get(name, "")) for name in ("arena", "arena_id", "phase", "correlation_id")]
    return (_text(kind), texts[0], texts[1], texts[2], texts[3], payload_json(fields.get("payload")))


def _text(value: object) -> str:
    text = value if isinstance(value, str) else str(value)
    return text.encode("utf-8", "replace").decode()


def _event(stream_id: str, data: bytes | None) -> dict[str, Any]:
    """As the original's readers give it, and without their exceptions."""
    if data is None:
        return {"stream_id": stream_id, "error": "no_data_field"}
    try:
        body = json.loads(data.decode())
    except UnicodeDecodeError:
        return {"stream_id": stream_id, "error": "bad_utf8"}
    except (ValueError, RecursionError) as error:
        return {"stream_id": stream_id, "error": f"json_decode: {error}"}
    if not isinstance(body, dict):
        return {"stream_id": stream_id, "error": "not_an_object"}
    body["stream_id"] = stream_id
    return body
