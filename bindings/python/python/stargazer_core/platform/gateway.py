"""A gateway: runs adapters, takes what they receive to the bus, and does on them what workers say."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, TypedDict

from stargazer_core.arguments import need_function, need_text
from stargazer_core.errors import ConflictError, InvalidError, StargazerError, exception
from stargazer_core.loop import bridge
from stargazer_core.part import Part, millis, need_publisher
from stargazer_core.platform.adapter import PlatformAdapter, Post
from stargazer_core.platform.core_adapter import CoreAdapter
from stargazer_core.serve import CallHandler, runner
from stargazer_core.served import Enlisted
from stargazer_core.tool_service import Authority, authority_row
from stargazer_core.tools import Tool, tools_of

if TYPE_CHECKING:
    from typing_extensions import Self, Unpack

    from stargazer_core.publisher import Publisher
    from stargazer_core.settings import ConsumerSettings

__all__ = ["AdapterHealth", "AdapterState", "Gateway", "GatewaySettings"]

#: Where an adapter stands.
AdapterState = Literal["starting", "running", "restarting", "failed", "stopping", "stopped"]


class GatewaySettings(TypedDict, total=False):
    """Settings of a gateway. Times are seconds."""

    #: The consumers of the outbound streams, one a platform. Its ``drain_timeout`` also bounds how long an adapter
    #: drains.
    consumer: ConsumerSettings
    #: What becomes of something that may have been sent, because a gateway died or an adapter gave no answer: it is
    #: sent and the adapter told (``resend``, the default), or goes to the dead letters (``skip``).
    on_unknown: Literal["resend", "skip"]
    #: How long it is remembered what was sent: something doubled within is sent once. 24 h.
    remember: float
    #: How long one send may take; then it may have been sent. 60 s.
    send_timeout: float
    #: How long a call may take that names no deadline. 30 s.
    call_timeout: float
    #: How long an adapter may take to start. 30 s.
    start_timeout: float
    #: How long an adapter may take to stop, or to say whether it runs. 10 s.
    stop_timeout: float
    #: How often an adapter is asked whether it runs. 1 s.
    look: float
    #: Pause before a failed adapter is started again, doubled each time it fails. 1 s.
    restart_base: float
    #: Longest such pause; an adapter that ran for longer begins anew. 60 s.
    restart_max: float


@dataclass(frozen=True)
class AdapterHealth:
    """How an adapter is. Counts are of this gateway since it started."""

    #: The platform.
    platform: str
    #: Where it stands.
    state: AdapterState
    #: Since when, epoch seconds.
    since: float
    #: How often it was started.
    starts: int
    #: What failed last, in its connection or in a send; stays after it is well again.
    last_error: StargazerError | None
    #: What was done on the platform.
    performed: int
    #: Of these, what may have been done before, so that the adapter was told.
    repeated: int
    #: What had been done before and was not done again.
    doubled: int
    #: What may have been done before and went to the dead letters.
    skipped: int
    #: Tries that failed.
    failed: int
    #: What is being done at this moment.
    under_way: int
    #: What waits for the adapter to run.
    waiting: int


class Gateway:
    """Runs the adapters of one process, on the event loop that it is started from.

    For each adapter the outbound stream of its platform is read in the platform's gateway group, channel by channel in
    order, from before the adapter starts until after it has stopped. What was sent is not sent again within
    ``remember``, by whichever gateway. An adapter that fails is started again; one that refuses to start for good is
    left.

    Close it, or leave its ``async with``: adapters that are not stopped keep their connections until the loop ends.
    """

    def __init__(
        self,
        bus: Publisher,
        adapters: Iterable[PlatformAdapter | CoreAdapter],
        **settings: Unpack[GatewaySettings],
    ) -> None:
        """A gateway with these adapters: your own, or those of the package (``RedisPlatform``).

        Nothing happens before :meth:`start` or :meth:`run`, which also check the settings.
        """
        self._bus = need_publisher(bus)
        if not isinstance(adapters, Iterable):
            text = f"adapters must be a list of PlatformAdapter, found {type(adapters).__name__}"
            raise InvalidError(text, {"argument": "adapters"})
        self._adapters = list(adapters)
        for adapter in self._adapters:
            if not isinstance(adapter, PlatformAdapter | CoreAdapter):
                text = f"adapters must be a list of PlatformAdapter, found {type(adapter).__name__} in it"
                raise InvalidError(text, {"argument": "adapters"})
        self._settings = _plain(settings)
        self._methods: list[tuple[str, CallHandler]] = []
        self._tools: list[Tool] = []
        self._authority: Authority | None = None
        self._part: Part | None = None
        self._enlisted = Enlisted()

    def with_method(self, name: str, handler: CallHandler) -> Self:
        """Answers calls of a name itself, whichever adapter they came for. Before it is started.

        The handler is as those of ``bus.serve``; the arguments of its request are the parameters of the call.
        """
        self._unstarted()
        self._methods.append((need_text("name", name), need_function("handler", handler)))
        return self

    def with_tools(self, *tools: Tool | Callable[..., Any], authority: Authority | None = None) -> Self:
        """Runs these tools for workers that have the gateway of a platform execute them. Before it is started.

        Without an authority, tools that need a permission are refused to everybody.
        """
        self._unstarted()
        self._tools += tools_of(tools)
        self._authority = authority if authority is not None else self._authority
        return self

    def _unstarted(self) -> None:
        if self._part is not None:
            raise ConflictError("this gateway was started before; say what it answers before it is")

    async def run(self) -> None:
        """Runs until it is told to stop, is cancelled, the bus closes, or every adapter has failed for good.

        Then the adapters drain and stop. Fails as :meth:`start` and :meth:`ended` do.
        """
        part = self._open()
        try:
            await part.call("run")
        except asyncio.CancelledError:
            await part.call("close")
            raise
        finally:
            self._enlisted.dismiss()

    async def start(self) -> None:
        """Opens the consumers and starts the adapters, all at once; returns when each has been tried once.

        An adapter that fails is started again later; one that fails for good is left.

        Raises:
            InvalidError: there is no adapter, two have one name, or a setting or a method's name is wrong.
            ConflictError: it was started before.
            StargazerError: what the first adapter failed with, when all of them failed for good.
        """
        part = self._open()
        try:
            await part.call("start")
        except asyncio.CancelledError:
            await part.call("close")
            raise

    async def ended(self) -> None:
        """Ends when no adapter is left: all were stopped, or have failed for good. Raises what they failed with."""
        await self._started().call("ended")

    async def drain(self) -> None:
        """Lets the adapters take no more messages and wait for what users wait for; sends go on. Closing does this."""
        await self._started().call("drain")

    def stop(self) -> None:
        """Begins to close without waiting."""
        if self._part is not None:
            self._part.at_once("stop")

    async def close(self) -> None:
        """Ends it: the adapters drain and stop, what is in hand is finished within ``drain_timeout``, the rest given
        back.

        What failed in the end is raised. May be called twice.
        """
        if self._part is None:
            return
        try:
            await self._part.call("close")
        finally:
            self._enlisted.dismiss()

    @property
    def health(self) -> list[AdapterHealth]:
        """How the adapters are, in their order; empty before the start."""
        rows = [] if self._part is None else self._part.at_once("health")
        return [_health(row) for row in rows]

    async def reached(self, platform: str, *states: AdapterState) -> AdapterState:
        """Waits until the adapter of a platform is in one of these states, and gives it.

        Raises:
            NotFoundError: no such adapter was started.
        """
        state: AdapterState = await self._started().call("reached", platform=platform, states=list(states))
        return state

    async def __aenter__(self) -> Self:
        """Starts it; leaving closes it."""
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        """Closes it."""
        await self.close()

    def _started(self) -> Part:
        if self._part is None:
            raise InvalidError("this gateway was not started")
        return self._part

    def _open(self) -> Part:
        if self._part is not None:
            return self._part
        enlist = self._enlisted.enlist
        consumer, settings = self._settings
        try:
            parts = [self._adapter_part(adapter) for adapter in self._adapters]
            methods = [(name, enlist(runner(handler))) for name, handler in self._methods]
            given = {**settings, **self._tool_rows()}
            native = self._bus.gateway(bridge(), [part.native for part in parts], methods, consumer, given)
        except BaseException:
            self._enlisted.dismiss()
            raise
        self._part = Part(native)
        return self._part

    def _adapter_part(self, adapter: PlatformAdapter | CoreAdapter) -> Part:
        if isinstance(adapter, CoreAdapter):
            return adapter._part
        post = Post(adapter)
        part = Part(self._bus.host_adapter(bridge(), self._enlisted.enlist(post.run), adapter.name))
        post.attach(part)
        return part

    def _tool_rows(self) -> dict[str, Any]:
        enlist = self._enlisted.enlist
        rows = [{"definition": tool.definition, "function": enlist(tool.run)} for tool in self._tools]
        authority = authority_row(self._enlisted, self._authority)
        if authority is None:
            return {"tools": rows}
        asked = {"function": authority} if isinstance(authority, int) else {"grants": dict(authority)}
        return {"tools": rows, "authority": asked}


#: Settings that are times.
_TIMES = (
    "remember",
    "send_timeout",
    "call_timeout",
    "start_timeout",
    "stop_timeout",
    "look",
    "restart_base",
    "restart_max",
)


def _plain(settings: GatewaySettings) -> tuple[dict[str, Any], dict[str, Any]]:
    plain: dict[str, Any] = dict(settings)
    consumer = plain.pop("consumer", None) or {}
    if not isinstance(consumer, Mapping):
        raise InvalidError(f"consumer must be a dict of settings, found {consumer!r}", {"setting": "consumer"})
    known = GatewaySettings.__annotations__
    for name in plain:
        if name not in known:
            text = f"a gateway has no setting {name!r}; known are: {', '.join(known)}"
            raise InvalidError(text, {"setting": name})
    for name in _TIMES:
        if name in plain:
            plain[name] = millis(name, plain[name])
    return dict(consumer), plain


def _health(row: dict[str, Any]) -> AdapterHealth:
    error = row["last_error"]
    last = None if error is None else exception(error["code"], error["message"], error["context"])
    return AdapterHealth(**{**row, "since": row["since"] / 1000, "last_error": last})
