"""Serving calls: handlers by name, run as tasks of the loop that opened the server."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypedDict

from stargazer_core import _native, span
from stargazer_core.arguments import need_text
from stargazer_core.calls import Identity
from stargazer_core.errands import Parts
from stargazer_core.errors import ClosedError, InvalidError
from stargazer_core.loop import ask, errands
from stargazer_core.publisher import Publisher
from stargazer_core.served import Served

if TYPE_CHECKING:
    from typing_extensions import Self, Unpack

    from stargazer_core.bus import Bus
    from stargazer_core.errands import Errand

__all__ = ["CallHandler", "Figures", "HandlerFigures", "HandlerOptions", "Reply", "Request", "ServeSettings", "Serving"]

_IDENTITY = ("platform", "channel_id", "user_id", "user_name", "guild_id", "message_id", "observability_request_id")


class Request:
    """A call that is to be run."""

    __slots__ = (
        "_bus",
        "_errand",
        "_now",
        "_until",
        "arguments",
        "attempt",
        "correlation_id",
        "identity",
        "name",
        "trace_id",
        "traceparent",
        "tracestate",
    )

    def __init__(self, errand: Errand) -> None:
        """For servers only."""
        told: dict[str, Any] = errand.arguments
        self._errand = errand
        self._bus: Publisher | None = None
        left = told["time_left"]
        # By the clock of the bus, which a test may move.
        publisher = errand.publisher
        self._now: Callable[[], float] = asyncio.get_running_loop().time if publisher is None else publisher.now
        self._until: float | None = None if left is None else self._now() + left
        #: The name that was called.
        self.name: str = told["name"]
        #: The arguments by name.
        self.arguments: dict[str, Any] = told["arguments"]
        #: Whose message the call is made for.
        self.identity: Identity = Identity(**{name: told[name] for name in _IDENTITY})  # type: ignore[typeddict-item]
        #: Trace id, ``""`` for none.
        self.trace_id: str = told["trace_id"]
        #: What the reply names, so that the caller finds it.
        self.correlation_id: str = told["correlation_id"]
        #: W3C ``traceparent``, as the request has it.
        self.traceparent: str | None = told["traceparent"]
        #: W3C ``tracestate``, as the request has it.
        self.tracestate: str | None = told["tracestate"]
        #: Which start of this call it is, from 1.
        self.attempt: int = told["attempt"]

    @property
    def bus(self) -> Publisher:
        """The bus as this call may use it: fenced, and calls made through it have no more time than this one.

        A server that lost the call can do nothing in its name; what is called through it is remembered with it.
        """
        if self._bus is None:
            if self._errand.publisher is None:
                raise ClosedError("this call has no bus")
            self._bus = Publisher(self._errand.publisher)
        return self._bus

    def time_left(self) -> float | None:
        """How long somebody still waits for the answer, in seconds; ``None`` without a deadline."""
        return None if self._until is None else max(0.0, self._until - self._now())

    @property
    def cancelled(self) -> str:
        """Why it is to end: ``caller``, ``deadline``, ``timeout`` or ``abandoned``; ``""`` while it is not.

        A coroutine need not ask: its task is cancelled. For what runs in a thread.
        """
        return self._errand.ending

    def __repr__(self) -> str:
        """Without the arguments, which belong into no log."""
        return f"<{type(self).__name__} of {self.name}, attempt {self.attempt}>"


@dataclass
class Reply:
    """What a call gave: a result, and what is merged into the caller's context."""

    #: The result.
    result: Any = None
    #: ``sent_files`` (media as raw bytes), ``injected_tools``, ``sent_rich_messages``.
    writeback: dict[str, Any] = field(default_factory=dict)


#: What runs calls: ``async def``, or a plain function, which is run in a thread. It returns the result or a
#: :class:`Reply`. An exception is the caller's ``RemoteError``: its code the name of the class, or that of a
#: ``Failure``.
CallHandler = Callable[[Request], Awaitable[Any]] | Callable[[Request], Any]


class HandlerOptions(TypedDict, total=False):
    """How calls of one name are run."""

    #: Calls of this name at the same time in this process, at least 1; no limit but the server's by default.
    concurrency: int | None
    #: How long one call may run, in seconds; the caller then gets ``RemoteError`` with the code ``timeout``.
    timeout: float | None
    #: How long a handler may take to end after it was told to. 0.5 s.
    cancel_grace: float


class ServeSettings(TypedDict, total=False):
    """How calls are served."""

    #: A service of its own instead of the shared one: servers that do not serve the same names must not share one.
    service: str | None
    #: First part of its identity, for people who look. ``tools``.
    name: str
    #: Calls at the same time, those included that wait for the turn of their name. 256.
    concurrency: int
    #: How often a request may be started before it goes to the dead letters, should it kill the process. 3.
    max_attempts: int
    #: Lease of its requests. 15 s.
    lease: float
    #: How quickly the end of a lease is noticed. A third of the lease.
    sweep: float
    #: How long running calls may go on when it closes. 20 s.
    drain_timeout: float


@dataclass(frozen=True)
class HandlerFigures:
    """What a server has done under one name."""

    #: Calls that run.
    running: int
    #: Calls that wait for their turn.
    waiting: int
    #: Calls that may run at the same time.
    capacity: int
    #: Calls that gave a result.
    succeeded: int
    #: Calls that failed or ran too long.
    failed: int
    #: Calls whose deadline passed before they ran.
    expired: int
    #: Calls that were cancelled.
    cancelled: int
    #: Calls answered with what was remembered.
    remembered: int
    #: How long half of the last 256 calls took at most, in seconds; 0 before the first.
    p50: float
    #: How long 95 % of them took at most, in seconds.
    p95: float


@dataclass(frozen=True)
class Figures:
    """What a server has done so far, all names together."""

    #: Requests that named a reply stream which is none: dead-lettered unrun.
    rejected: int
    #: Requests for a name that is not served.
    unknown: int
    #: Requests that had been answered before they came again.
    duplicates: int
    #: Answers that could not be stored before the deadline.
    unanswered: int
    #: By name.
    handlers: dict[str, HandlerFigures]


class Serving(Served[_native.Serving]):
    """A server of calls, opened by ``async with`` or ``await``, and closed by leaving or :meth:`close`.

    A request is run by one server of its service, and whatever its handler does, it is answered. A server that dies
    leaves its requests to the others. A handler that is to end has its task cancelled: the caller cancelled, time is
    over, or the server closes.
    """

    def __init__(self, bus: Bus, others: CallHandler | None, settings: ServeSettings) -> None:
        """For :meth:`Bus.serve <stargazer_core.Bus.serve>` only."""
        super().__init__(bus, "this server")
        self._waiting: dict[str, tuple[CallHandler, HandlerOptions]] = {}
        self._others = None if others is None else _checked(others)
        self._settings = settings

    def handle(self, name: str, handler: CallHandler, **options: Unpack[HandlerOptions]) -> Self:
        """Serves a name from now on, in place of what served it so far; what runs goes on.

        Raises:
            InvalidError: an option is out of range.
        """
        _checked(handler)
        if self._native is None:
            self._waiting[need_text("name", name)] = (handler, options)
        else:
            self._native.handle(errands().bridge, name, self._enlisted.enlist(runner(handler)), dict(options))
        return self

    def remove(self, name: str) -> bool:
        """Serves a name no longer; whether it was served. What runs goes on."""
        if self._native is None:
            return self._waiting.pop(need_text("name", name), None) is not None
        return self._native.remove(name)

    @property
    def names(self) -> list[str]:
        """The names that are served, sorted."""
        return sorted(self._waiting) if self._native is None else self._native.names

    @property
    def stream(self) -> str:
        """The stream that its requests come from."""
        return self._opened().stream

    def figures(self) -> Figures:
        """What it has done so far."""
        return figures(self._opened().figures())

    async def _begin(self) -> _native.Serving:
        enlist = self._enlisted.enlist
        handlers = [(name, enlist(runner(of)), dict(options)) for name, (of, options) in self._waiting.items()]
        others: tuple[int, dict[str, Any]] | None = None
        if self._others is not None:
            others = (enlist(runner(self._others)), {})
        return await ask(self._bus._native.serve, handlers, others, dict(self._settings))


def runner(handler: CallHandler) -> Callable[[Errand], Awaitable[Parts]]:
    """Runs a handler as an errand."""

    async def run(errand: Errand) -> Parts:
        request = Request(errand)
        span.enter(request.traceparent, request.tracestate)
        given = await invoke(handler, request)
        reply = given if isinstance(given, Reply) else Reply(given)
        return Parts(reply.result, reply.writeback)

    return run


async def invoke(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Awaits a coroutine function, and runs any other in a thread, with the context variables of here."""
    if any(map(inspect.iscoroutinefunction, (function, type(function).__call__))):
        return await function(*args, **kwargs)
    given = await asyncio.to_thread(function, *args, **kwargs)
    return await given if inspect.isawaitable(given) else given


def figures(row: Mapping[str, Any]) -> Figures:
    """Figures as the core counts them."""
    handlers = {name: HandlerFigures(**of) for name, of in row["handlers"].items()}
    return Figures(**{**row, "handlers": handlers})


def _checked(handler: CallHandler) -> CallHandler:
    if not callable(handler):
        raise InvalidError(f"a handler must be a function, found {type(handler).__name__}", {"field": "handler"})
    return handler
