"""Calls: a request that goes to whoever serves its name, and the one answer that comes back."""

from __future__ import annotations

import asyncio
from asyncio import Future
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypedDict

from stargazer_core import _native, span
from stargazer_core.loop import ask

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["Answer", "CallFigures", "CallOptions", "Identity", "spanned"]

P = ParamSpec("P")

#: Result, writeback, and whether it was remembered.
Row = tuple[Any, dict[str, Any], bool]


class Identity(TypedDict, total=False):
    """Whose message a call is made for, as the server is told."""

    #: Platform.
    platform: str
    #: Channel.
    channel_id: str
    #: Who wrote it.
    user_id: str
    #: Name of who wrote it.
    user_name: str
    #: Server (guild) of the channel.
    guild_id: str | None
    #: The message.
    message_id: str
    #: Id under which the original's observability files the call.
    observability_request_id: str


class CallOptions(TypedDict, total=False):
    """What may be said about one call."""

    #: How long to wait for the answer; by default as the bus is set (``call_timeout``, 30 s), and never longer than the
    #: request in whose handler the call is made.
    timeout: float | None
    #: ``False``: the result is not remembered. Otherwise a call made in a delivery is remembered with the delivery.
    memo: bool
    #: The id of the call in its turn, such as a model's ``tool_call_id``; by default the number of the call among equal
    #: ones.
    call_id: str | None
    #: The turn that the call is remembered with, outside of a delivery; needs ``call_id``.
    turn: str | None
    #: Whose message it is made for; by default the one whose delivery makes it.
    identity: Identity | None
    #: Hash of the catalog of tools that the caller has loaded.
    schema_hash: str
    #: Trace id; by default the delivery's.
    trace_id: str | None
    #: W3C ``traceparent``; by default that of the current span of OpenTelemetry, else the delivery's.
    traceparent: str | None
    #: W3C ``tracestate``; by default likewise.
    tracestate: str | None
    #: Which service serves the name; by default the one that all tools services share.
    service: str | None


@dataclass(frozen=True)
class Answer:
    """What a call gave."""

    #: The result.
    result: Any
    #: What is to be merged into the caller's context: ``sent_files`` (media as raw bytes), ``injected_tools``,
    #: ``sent_rich_messages``. Untouched.
    writeback: dict[str, Any]
    #: Nothing was sent: the result was remembered from an earlier run of the same turn.
    remembered: bool


@dataclass(frozen=True)
class CallFigures:
    """What the calls of a bus have come to."""

    #: Calls that wait for their answer.
    in_flight: int
    #: Answers to calls that had ended already: dropped.
    late: int
    #: Entries of the reply stream that are no answers: dropped.
    malformed: int


async def call(
    start: Callable[Concatenate[_native.Bridge, Future[Row], _native.Cancel, P], None],
    *args: P.args,
    **kwargs: P.kwargs,
) -> Answer:
    """Makes a call. Cancelled while it waits, it has whoever runs the call told."""
    cancel = _native.Cancel()
    try:
        return Answer(*await ask(start, cancel, *args, **kwargs))
    except asyncio.CancelledError:
        cancel.cancel()
        raise


class Caller:
    """What can make calls."""

    __slots__ = ()

    _publisher: _native.Publisher

    async def call(self, name: str, arguments: Mapping[str, Any] | None = None, **options: Unpack[CallOptions]) -> Any:
        """Calls a name, and gives the result.

        A call ends once: with the result or one of the errors below. Cancelling the task that awaits it, or leaving an
        ``asyncio.timeout``, has whoever runs it told to end. Made through ``delivery.bus``, a finished call is
        remembered with the delivery: when the same message comes again, the result is given without running again.

        Raises:
            RemoteError: the handler failed; ``remote_code`` says how.
            TimeoutError: nobody answered within ``timeout`` seconds.
            ExpiredError: the request was read after its deadline and not run.
            CancelledError: the call was cancelled where it ran.
            NoWorkerError: nobody serves the name.
            InvalidError: an argument or option cannot be sent; it is named.
            StaleError: the delivery through whose bus it was made is no longer ours.
        """
        return (await self.call_with(name, arguments, **options)).result

    async def call_with(
        self, name: str, arguments: Mapping[str, Any] | None = None, **options: Unpack[CallOptions]
    ) -> Answer:
        """:meth:`call` with the whole answer: the result, and what is to be written back."""
        return await call(self._publisher.call, name, _named(arguments), spanned(options))

    async def call_gateway(
        self,
        platform: str,
        method: str,
        params: Mapping[str, Any] | None = None,
        **options: Unpack[CallOptions],
    ) -> Answer:
        """Calls a method of a platform's gateway: ``fetch_history``, ``is_channel_valid``, ``execute_tool``, ….

        Ends as :meth:`call` does. Nothing is remembered, and there is no ``service``.
        """
        return await call(self._publisher.call_gateway, platform, method, _named(params), spanned(options))

    def call_figures(self) -> CallFigures:
        """What the calls of this bus have come to."""
        return CallFigures(*self._publisher.call_figures())


def spanned(options: CallOptions) -> dict[str, Any]:
    """Options with the context of the current span."""
    traceparent, tracestate = span.here(options.get("traceparent"), options.get("tracestate"))
    return {**options, "traceparent": traceparent, "tracestate": tracestate}


def _named(arguments: Mapping[str, Any] | None) -> Mapping[str, Any]:
    return {} if arguments is None else arguments
