"""The life of messages by trace id, in the original's states.

>>> import asyncio, stargazer_core as sg
>>> async def main() -> None:
...     async with sg.connect("memory://", role="worker", trace="worker-1") as bus:
...         message = sg.inbound("web", channel="c1", user="u1", text="Berlin?")
...         await bus.publish_inbound(message)
...         async with bus.consume_inbound() as inbox:
...             await (await inbox.next(timeout=1)).ack()
...         for step in (await bus.trace(message["trace_id"])).steps:
...             print(step.state, step.by)
>>> asyncio.run(main())
RECEIVED worker-1
QUEUED worker-1
CLAIMED worker-1
COMPLETED worker-1
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from stargazer_core import _native
from stargazer_core.loop import ask

__all__ = ["State", "Step", "Trace", "Traces"]

#: What something is at. The words and their order are the original's; nothing enforces the order.
State = Literal[
    "RECEIVED",
    "PREPROCESSING",
    "QUEUED",
    "CLAIMED",
    "PRE_INFERENCE_GATHER",
    "INFERRING",
    "TOOL_EXECUTING",
    "POSTPROCESSING",
    "DELIVERING",
    "DELIVERED",
    "COMPLETED",
    "ERRORED",
    "RETRYING",
    "RECLAIMED",
]


@dataclass(frozen=True)
class Step:
    """One step of a trace."""

    #: When, milliseconds since 1970, by the clock of whoever wrote it.
    at_ms: int
    #: The state it came to.
    state: str
    #: Who wrote it, ``""`` when that is not said.
    by: str
    #: Whether the state before allowed it.
    legal: bool
    #: What else was said: stream, entry, attempt, tool, reason, …
    detail: dict[str, Any]


@dataclass(frozen=True)
class Trace:
    """The life of whatever has a trace id."""

    #: The trace id.
    id: str
    #: The state it is in.
    state: str
    #: When it came there, milliseconds since 1970.
    updated_at_ms: int
    #: The steps, in the order in which the server took them.
    steps: list[Step] = field(repr=False)
    #: How many there were: more than ``steps`` where a trace is very long.
    total: int
    #: How many of all steps the state before did not allow.
    illegal: int
    #: The last checkpoint.
    checkpoint: Any


class Traces:
    """Traces of a bus: a part of :class:`Bus` in a file of its own."""

    __slots__ = ()

    _native: _native.Bus

    async def trace(self, trace_id: str) -> Trace:
        """The whole life of whatever has this trace id: what each process of the fleet told of it.

        Raises:
            NotFoundError: nobody traced it, or its last step was more than a day ago.
        """
        row = await self._trace("trace", trace_id=trace_id)
        return Trace(**{**row, "steps": [Step(**step) for step in row["steps"]]})

    async def transition(self, trace_id: str, state: State, detail: Mapping[str, Any] | None = None) -> None:
        """Takes down that something came to a state; it is written soon, also where the bus traces nothing by itself.

        Nothing is refused but what is no state: a step that the state before does not allow is counted.
        """
        await self._trace("transition", trace_id=trace_id, state=state, detail=detail)

    async def checkpoint(
        self, trace_id: str, state: State, value: object, detail: Mapping[str, Any] | None = None
    ) -> bool:
        """The same with what replaces the checkpoint of the trace: anything that can be a body.

        It is written when this returns; whether the state before allowed the step.
        """
        return bool(await self._trace("checkpoint", trace_id=trace_id, state=state, detail=detail, value=value))

    async def _trace(self, call: str, **arguments: object) -> Any:
        return await ask(_native.trace, self._native, call, arguments)
