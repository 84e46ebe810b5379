"""Publishing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stargazer_core import _native, span
from stargazer_core._native import Receipt
from stargazer_core.calls import Caller
from stargazer_core.loop import publish
from stargazer_core.part import open_part
from stargazer_core.store import Store

__all__ = ["Publisher", "Receipt"]


class Publisher(Caller):
    """Publishes to the streams of one bus, and makes calls. A :class:`~stargazer_core.Bus` is one, ``delivery.bus`` is
    another.

    A receipt says that the entry is stored. An error says in ``context["stored"]`` whether it is not (``no``) or
    whether that is ``unknown``; publishing again under the same ``message_id`` then stores nothing twice. Entries
    published one after the other from one event loop are stored in that order. Cancelling an await does not take back
    what was sent.

    Every publish takes the same options. ``key`` is the lane, whose entries are handled in order, one at a time; by
    default that of the body's channel, if it has one. ``trace_id`` is by default that of the body.

    With ``wait_replicas`` (or the bus setting of this name) a receipt means that so many replicas have confirmed the
    entry, and ``TimeoutError`` with ``stored`` ``unknown`` that it is stored and they did not in time.

    Where a span of OpenTelemetry is current and no ``traceparent`` is given, the entry carries its context.

    All methods raise ``InvalidError`` (naming the field) for what cannot be published, ``TooLargeError``,
    ``FullError`` (the stream is at its cap), ``UnavailableError``, ``ClosedError``, ``StaleError`` (only on
    ``delivery.bus``) and ``ForkedError``.
    """

    __slots__ = ("_publisher",)

    def __init__(self, native: _native.Publisher) -> None:
        """For buses and deliveries only."""
        self._publisher = native

    def store(self) -> Store:
        """What the server keeps under keys: texts, hashes, sets, lists, notifications, logs. Not fenced."""
        return Store(open_part(self, "store"))

    async def publish_inbound(
        self,
        envelope: Mapping[str, Any],
        *,
        key: str | None = None,
        message_id: str | None = None,
        trace_id: str | None = None,
        traceparent: str | None = None,
        tracestate: str | None = None,
        wait_replicas: int | None = None,
    ) -> Receipt:
        """A message from a platform, for the workers: from ``inbound(…)``, or any dict of that shape."""
        words = (key, message_id, trace_id, *span.here(traceparent, tracestate), wait_replicas)
        return await publish(self._publisher.publish_inbound, envelope, *words)

    async def publish_outbound(
        self,
        platform: str,
        envelope: Mapping[str, Any],
        *,
        key: str | None = None,
        message_id: str | None = None,
        trace_id: str | None = None,
        traceparent: str | None = None,
        tracestate: str | None = None,
        wait_replicas: int | None = None,
    ) -> Receipt:
        """Something for a platform's gateway to do: from ``message(…)`` and its like, or any dict of that shape."""
        words = (key, message_id, trace_id, *span.here(traceparent, tracestate), wait_replicas)
        return await publish(self._publisher.publish_outbound, platform, envelope, *words)

    async def publish_tools_request(
        self,
        request: Mapping[str, Any],
        *,
        key: str | None = None,
        message_id: str | None = None,
        trace_id: str | None = None,
        traceparent: str | None = None,
        tracestate: str | None = None,
        wait_replicas: int | None = None,
    ) -> Receipt:
        """A request to run a tool."""
        words = (key, message_id, trace_id, *span.here(traceparent, tracestate), wait_replicas)
        return await publish(self._publisher.publish_tools_request, request, *words)

    async def publish_tools_reply(
        self,
        reply_stream: str,
        reply: Mapping[str, Any],
        *,
        key: str | None = None,
        message_id: str | None = None,
        trace_id: str | None = None,
        traceparent: str | None = None,
        tracestate: str | None = None,
        wait_replicas: int | None = None,
    ) -> Receipt:
        """What a tool gave, onto the reply stream that its request named."""
        words = (key, message_id, trace_id, *span.here(traceparent, tracestate), wait_replicas)
        return await publish(self._publisher.publish_tools_reply, reply_stream, reply, *words)

    async def publish(
        self,
        stream: str,
        body: Any,
        *,
        key: str | None = None,
        message_id: str | None = None,
        trace_id: str | None = None,
        traceparent: str | None = None,
        tracestate: str | None = None,
        wait_replicas: int | None = None,
    ) -> Receipt:
        """Anything onto any stream."""
        words = (key, message_id, trace_id, *span.here(traceparent, tracestate), wait_replicas)
        return await publish(self._publisher.publish, stream, body, *words)
