"""The original's consumer of messages: ``InboundStreamConsumer``."""

from __future__ import annotations

import inspect
import logging
from typing import TYPE_CHECKING, Any

from stargazer_core.compat.link import Link
from stargazer_core.compat.reading import ProcessFn, Reading, process

if TYPE_CHECKING:
    from stargazer_core.delivery import Delivery
    from stargazer_core.settings import ConsumerSettings

__all__ = ["InboundStreamConsumer"]

_log = logging.getLogger("stargazer_core.compat")

#: Seconds after which a consumer without a sign of life has died, at most.
_LEASE = 15.0


class InboundStreamConsumer:
    """Runs a function for every message from the platforms, in the workers' group, beside the original's workers.

    Addressed messages of a channel are handled one at a time, under the original's lock of the channel.
    """

    def __init__(
        self,
        redis: object,
        consumer_name: str,
        process_fn: ProcessFn,
        autoclaim_interval: float = 30.0,
        autoclaim_min_idle: int = 60000,
        state_machine: Any | None = None,
    ) -> None:
        """Starts nothing and opens no connection.

        ``redis`` is a URL, a ``redis.asyncio`` client (asked for its settings only), or a configuration that has
        either. The consumer's name in the group is ``consumer_name`` and a random end. ``process_fn`` is an ``async
        def`` that takes the payload. Every ``autoclaim_interval`` seconds it looks for what others left behind:
        consumers that have died, and entries that one of the original's workers has had for ``autoclaim_min_idle``
        milliseconds. Of a ``state_machine`` the method ``transition(trace_id, state)`` is called with ``CLAIMED``, then
        ``COMPLETED`` or ``ERRORED``, where the message has a trace id; it may be sync or async, and its failure is only
        logged.
        """
        self.consumer_name = consumer_name
        self._process_fn = process_fn
        self._state_machine = state_machine
        self._link = Link(redis)
        self._reading = Reading(
            self._link,
            lambda bus: (bus.topology.inbound_stream, bus.topology.worker_group),
            self._handle,
            _settings(consumer_name, autoclaim_interval, autoclaim_min_idle / 1000),
        )

    async def start(self) -> None:
        """Begins to read, in the background; the server need not be there yet. Does nothing when it runs."""
        self._reading.start()
        _log.info("inbound consumer %s started", self.consumer_name)

    async def stop(self) -> None:
        """Takes nothing new, waits for what is being processed and for its outcome to be stored. May be called twice.

        Exceptions of ``process_fn`` are not raised here.
        """
        await self._reading.stop()
        await self._link.close()

    async def _handle(self, payload: Any, delivery: Delivery[Any]) -> None:
        trace_id = delivery.trace_id or (payload.get("trace_id") if isinstance(payload, dict) else None)
        await self._transition(trace_id, "CLAIMED")
        try:
            await process(self._process_fn, payload)
        except Exception:
            await self._transition(trace_id, "ERRORED")
            raise
        await self._transition(trace_id, "COMPLETED")

    async def _transition(self, trace_id: str | None, state: str) -> None:
        if self._state_machine is None or not trace_id:
            return
        try:
            answer = self._state_machine.transition(trace_id, state)
            if inspect.isawaitable(answer):
                await answer
        except Exception:
            _log.warning("the state machine failed at %s of %s", state, trace_id, exc_info=True)


def _settings(name: str, interval: float, idle: float) -> ConsumerSettings:
    """What the core calls the original's numbers, in seconds, each within what the core takes."""
    sweep = max(interval, 0.05)
    return {
        "name": name,
        "ordering": "lock",
        "sweep": sweep,
        "lease": max(min(idle, _LEASE), sweep / 2.5, 0.2),
        "autoclaim_min_idle": max(idle, 0.1),
    }
