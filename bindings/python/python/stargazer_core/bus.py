"""The front door: connect, publish, consume, look, close."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, TypeVar, overload
from weakref import WeakSet

from stargazer_core import _native
from stargazer_core import body as bodies
from stargazer_core._native import Topology
from stargazer_core.arguments import need_count, need_map, need_texts
from stargazer_core.consumer import Consumer
from stargazer_core.dead_letter import DeadLetters
from stargazer_core.envelope import Inbound, Outbound
from stargazer_core.events import EventBus, EventBusReader
from stargazer_core.handlers import Handlers, Registered, run_together
from stargazer_core.info import Entry, Finding, PendingInfo, StreamInfo, stream_info
from stargazer_core.locks import Locks
from stargazer_core.loop import ask
from stargazer_core.publisher import Publisher
from stargazer_core.serve import CallHandler, Serving
from stargazer_core.served import Served
from stargazer_core.time import Time
from stargazer_core.tool_service import Authority, RemoteRegistry, ToolService, ToolsMode, Worker, workers
from stargazer_core.tools import Tool
from stargazer_core.trace import Traces

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from stargazer_core.serve import ServeSettings
    from stargazer_core.settings import BusSettings, ConsumerSettings
    from stargazer_core.tool_service import ToolServiceSettings

__all__ = ["Bus", "Connecting", "Role", "connect"]

T = TypeVar("T")

#: What a process does: answers messages, talks to platforms, both, or runs tools.
Role = Literal["worker", "gateway", "standalone", "tools", "none"]


def connect(
    url: str | None = None,
    *,
    role: Role | None = None,
    platforms: Iterable[str] = (),
    **settings: Unpack[BusSettings],
) -> Connecting:
    """Connects to a bus: ``async with connect(…) as bus``, which closes it at the end, or ``bus = await connect(…)``.

    The address begins with ``memory://`` (of its own; with a name: shared in this process), ``redis://``,
    ``rediss://``, ``unix://`` or ``redis+sentinel://host:port,host:port/service`` (the primary that sentinels name);
    without one it is that of the variable ``REDIS_URL``. With a role, the streams and
    groups that the role needs are made; a gateway needs its ``platforms``.

    Awaiting raises ``InvalidError``, ``AuthError``, or ``UnavailableError`` when the server could not be reached within
    ``connect_timeout``.
    """
    return Connecting(url, role, platforms, settings)


class Connecting(Handlers):
    """A bus that is about to be connected. Nothing happens before it is awaited, entered or run.

    Handlers that are registered here are those of the bus.
    """

    def __init__(self, url: str | None, role: Role | None, platforms: Iterable[str], settings: BusSettings) -> None:
        """See :func:`connect`."""
        self._url = url
        self._role = role
        self._platforms = need_texts("platforms", platforms)
        self._settings = settings
        self._bus: Bus | None = None
        self._registered = []

    async def _connect(self) -> Bus:
        native = await ask(_native.connect, self._url, self._role, self._platforms, dict(self._settings))
        return Bus(native, self._registered)

    def __await__(self) -> Generator[Any, None, Bus]:
        """Connects."""
        return self._connect().__await__()

    async def __aenter__(self) -> Bus:
        """Connects."""
        self._bus = await self._connect()
        return self._bus

    async def run(self, *, until_idle: bool = False) -> None:
        """Connects, runs the handlers that were registered here as :meth:`Bus.run` does, and closes the bus."""
        async with self as bus:
            await bus.run(until_idle=until_idle)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        """Closes the bus."""
        if self._bus is not None:
            await self._bus.close()


class Bus(Locks, Traces, Handlers, Publisher):
    """A connected bus. May be used from several event loops and threads of the process that connected it.

    After a fork the child gets ``ForkedError`` and connects anew.
    """

    __slots__ = ("_consumers", "_locks", "_native", "_registered", "_serving")

    def __init__(self, native: _native.Bus, registered: Sequence[Registered] = ()) -> None:
        """For :func:`connect` only."""
        super().__init__(native.publisher)
        self._registered = list(registered)
        self._native = native
        self._consumers: WeakSet[Consumer[Any]] = WeakSet()
        self._locks = WeakSet()
        # Held, so that what was opened and not kept by anybody serves on.
        self._serving: set[Served[Any]] = set()

    @property
    def url(self) -> str:
        """The address, without its password."""
        return self._native.url

    @property
    def topology(self) -> Topology:
        """The names of its streams and groups, after settings and environment."""
        return self._native.topology

    @property
    def time(self) -> Time:
        """The time of a bus that was connected with ``virtual_time=True``.

        Raises:
            InvalidError: the time of this bus is everybody's.
        """
        self._native.now()
        return Time(self._native)

    def consume_inbound(self, *, group: str | None = None, **settings: Unpack[ConsumerSettings]) -> Consumer[Inbound]:
        """A consumer of messages from platforms, in the workers' group."""
        return self._opened(Consumer(self._native.consume_inbound(group, dict(settings)), bodies.envelope(Inbound)))

    def consume_outbound(
        self, platform: str, *, group: str | None = None, **settings: Unpack[ConsumerSettings]
    ) -> Consumer[Outbound]:
        """A consumer of what a platform's gateway is to do, in its group."""
        return self._opened(
            Consumer(self._native.consume_outbound(platform, group, dict(settings)), bodies.envelope(Outbound))
        )

    @overload
    def consume(
        self, stream: str, group: str, *, body: type[T], **settings: Unpack[ConsumerSettings]
    ) -> Consumer[T]: ...
    @overload
    def consume(
        self, stream: str, group: str, *, body: None = None, **settings: Unpack[ConsumerSettings]
    ) -> Consumer[Any]: ...
    def consume(
        self, stream: str, group: str, *, body: type[Any] | None = None, **settings: Unpack[ConsumerSettings]
    ) -> Consumer[Any]:
        """A consumer of any stream, in any group.

        ``body`` is the type that bodies are read as: a dataclass, a ``TypedDict``, a model of pydantic or a struct of
        msgspec. One that does not fit goes to the dead letters with the reason ``malformed``.

        Raises:
            InvalidError: ``body`` is no type that a body can be read as, or a setting is out of range.
        """
        read = bodies.plain if body is None else bodies.reader(body)
        native = self._native.consume(stream, group, dict(settings))
        return self._opened(Consumer(native, read, typed=body is not None))

    def _opened(self, consumer: Consumer[T]) -> Consumer[T]:
        self._consumers.add(consumer)
        return consumer

    async def ensure_streams(self, role: Role, platforms: Iterable[str] = ()) -> None:
        """Makes the streams and groups that a role needs; may be called twice.

        Raises:
            InvalidError: there is no such role, or a gateway has no platforms.
        """
        await ask(self._native.ensure_streams, role, need_texts("platforms", platforms))

    async def stream_info(self, stream: str) -> StreamInfo:
        """A stream at a glance.

        Raises:
            NotFoundError: there is none of that name.
        """
        return stream_info(await ask(self._native.stream_info, stream))

    async def pending(self, stream: str, group: str) -> PendingInfo:
        """What a group has read and not finished.

        Raises:
            NotFoundError: there is no such stream or group.
        """
        return PendingInfo(**await ask(self._native.pending, stream, group))

    async def entries(self, stream: str, *, after: str = "0-0", count: int = 100) -> list[Entry]:
        """Entries after an id, oldest first, at most ``count`` (and 1000)."""
        need_count("count", count, least=0)
        return [Entry(entry_id, fields) for entry_id, fields in await ask(self._native.entries, stream, after, count)]

    def dead_letters(self, stream: str | None = None) -> DeadLetters:
        """The entries that were given up; those of another stream than this bus writes them to, if one is named."""
        return DeadLetters(self._native, stream)

    def events(self, stream: str | None = None, *, maxlen: int = 100_000) -> EventBus:
        """Publishes lifecycle events: best effort, never in the way. See :mod:`stargazer_core.events`."""
        return EventBus(self, stream, maxlen)

    def event_reader(
        self, stream: str | None = None, *, last_id: str = "$", block_ms: int = 5000, count: int = 50
    ) -> EventBusReader:
        """Reads lifecycle events after an id: ``"$"`` for what comes from now on, ``"0"`` for everything."""
        return EventBusReader(self, stream, last_id, block_ms, count)

    def serve(
        self,
        handlers: Mapping[str, CallHandler] | None = None,
        *,
        others: CallHandler | None = None,
        **settings: Unpack[ServeSettings],
    ) -> Serving:
        """Serves calls: ``async with bus.serve({"weather": weather}) as serving``.

        Servers of one service must serve the same names; ``others`` runs every name that no handler serves. Options of
        a handler are given to :meth:`Serving.handle`.
        """
        serving = Serving(self, others, settings)
        for name, handler in ({} if handlers is None else need_map("handlers", handlers)).items():
            serving.handle(name, handler)
        return serving

    def serve_tools(
        self,
        *tools: Tool | Callable[..., Any],
        authority: Authority | None = None,
        **settings: Unpack[ToolServiceSettings],
    ) -> ToolService:
        """Serves tools, and keeps them in the catalog: ``async with bus.serve_tools(weather):``.

        Opening raises ``InvalidError``, naming the field, for a tool that cannot be, for two of one name, and for none
        at all. Without an ``authority``, tools that need a permission are refused to everybody.
        """
        return ToolService(self, tools, authority, settings)

    def tool_registry(
        self,
        *tools: Tool | Callable[..., Any],
        authority: Authority | None = None,
        mode: ToolsMode | None = None,
        force_in_process: Iterable[str] = (),
    ) -> RemoteRegistry:
        """The tools that can be called from here, wherever they run: ``async with bus.tool_registry() as registry``.

        ``tools`` are those that this process has itself; ``mode`` and ``force_in_process`` say which of them run here,
        by default and beside the settings ``tools_service_mode`` and ``tools_force_in_process``.
        """
        return RemoteRegistry(self, tools, authority, mode, force_in_process)

    async def tool_workers(self) -> list[Worker]:
        """The instances of tools services that live, as they told of themselves at their last sign of life."""
        return workers(await ask(self._native.tool_workers))

    async def doctor(self) -> list[Finding]:
        """Whether the server is safe to keep messages on, check by check.

        Version, role, eviction, persistence, rights and more. What it does not let us see is ``unknown``, never ``ok``.
        """
        return [Finding(*row) for row in await ask(self._native.doctor)]

    async def run(self, *, until_idle: bool = False) -> None:
        """Runs the handlers that were registered with :meth:`on_inbound`, :meth:`on_outbound` and :meth:`on`.

        Each has a consumer of its own, which runs it as :meth:`Consumer.run` says, until the bus is closed;
        ``until_idle``: until nothing is left to do in any of them, what they publish to one another included. Where one
        ends the run by an error, so do the others, and it is raised. Consumers are closed at the end.

        Raises:
            InvalidError: no handler is registered, or one is not what a handler must be.
        """
        await run_together(self, self._registered, until_idle=until_idle)

    async def close(self) -> None:
        """Closes it for everybody who uses it: consumers drain, then the connections end. May be called twice.

        Raises:
            StargazerError: What a consumer or a service could not report when it closed. The bus is closed.
        """
        # What is in hand without a handler would be waited for, though nobody may ever come back to it.
        ended = await asyncio.gather(*(consumer.close() for consumer in self._consumers), return_exceptions=True)
        ended += await asyncio.gather(*(serving.close() for serving in tuple(self._serving)), return_exceptions=True)
        try:
            await self._give_up_own()
        finally:
            await ask(self._native.close)
        for error in ended:
            if isinstance(error, BaseException):
                raise error

    async def __aenter__(self) -> Bus:
        """The bus itself; leaving closes it."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        """Closes it."""
        await self.close()

    def __repr__(self) -> str:
        """With the address, without its password."""
        return f"<Bus {self.url}>"
