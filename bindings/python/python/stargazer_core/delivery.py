"""A delivery: an entry in your hands, with the power to say what becomes of it."""

from __future__ import annotations

import logging
from collections.abc import Generator
from typing import TYPE_CHECKING, Any, Generic

from stargazer_core import _native
from stargazer_core.errors import MalformedError
from stargazer_core.publisher import Publisher

if TYPE_CHECKING:
    from typing_extensions import TypeVar

    from stargazer_core.body import Read
    from stargazer_core.outcome import Outcome

    T = TypeVar("T", default=Any)
else:
    from typing import TypeVar

    T = TypeVar("T")

__all__ = ["Delivery"]

_log = logging.getLogger("stargazer_core")


class Settled:
    """An outcome that was taken down: may be awaited, need not be."""

    __slots__ = ()

    def __await__(self) -> Generator[Any, None, None]:
        """Is done at once."""
        yield from ()


_SETTLED = Settled()


class Delivery(Generic[T]):
    """An entry handed out.

    Settle it once, the first outcome counts; dropped without one, it is released. Outcomes are collected and leave
    with the next burst: one that is refused, because another consumer took the work over, comes up as ``StaleError``
    at the consumer's next ``next``.
    """

    __slots__ = ("_bus", "_data", "_native", "_read")

    def __init__(self, native: _native.Delivery, read: Read[T]) -> None:
        """For consumers only."""
        self._native = native
        self._read = read
        self._data: T | None = None
        self._bus: Publisher | None = None

    @property
    def data(self) -> T:
        """The body, decoded when it is first looked at.

        ``Inbound``, ``Outbound``, a value of the type that the consumer reads, or plain dicts and lists.

        Raises:
            MalformedError: a plain stream's entry has no body.
        """
        if self._data is None:
            self._data = self._read(self._native)
        return self._data

    def _fits(self) -> bool:
        """Whether the body is what is expected of it; where not, it has gone to the dead letters."""
        try:
            _ = self.data
        except MalformedError as misfit:
            _log.warning("%r goes to the dead letters: %s", self, misfit)
            self._native.refuse(str(misfit))
            return False
        return True

    @property
    def raw(self) -> bytes:
        """The msgpack bytes of the body."""
        return self._native.raw

    def field(self, name: str) -> bytes | None:
        """A field of the entry as it came, such as ``tp``."""
        return self._native.field(name)

    @property
    def id(self) -> str:
        """The entry's id."""
        return self._native.id

    @property
    def stream(self) -> str:
        """The stream it came from."""
        return self._native.stream

    @property
    def lane(self) -> str | None:
        """What it is ordered by; ``None`` when it is not ordered."""
        return self._native.lane

    @property
    def attempt(self) -> int:
        """Which start this is, from 1."""
        return self._native.attempt

    @property
    def redelivered(self) -> bool:
        """Whether it was, or may have been, handed out before."""
        return self._native.redelivered

    @property
    def replays(self) -> int:
        """How often it was put back from the dead letters; attempts are counted anew each time."""
        return self._native.replays

    @property
    def trace_id(self) -> str:
        """The trace id, ``""`` for none."""
        return self._native.trace_id

    @property
    def traceparent(self) -> str | None:
        """W3C ``traceparent``, if it was published with one."""
        return self._native.traceparent

    @property
    def tracestate(self) -> str | None:
        """W3C ``tracestate``, if it was published with one."""
        return self._native.tracestate

    @property
    def message_id(self) -> str | None:
        """The message id it was published under."""
        return self._native.message_id

    @property
    def cancelled(self) -> bool:
        """Whether to stop: another consumer has or may have the work, it took too long, or the consumer closes."""
        return self._native.cancelled

    @property
    def bus(self) -> Publisher:
        """The bus for what this delivery causes: refused with ``StaleError`` once the delivery is no longer ours."""
        if self._bus is None:
            self._bus = Publisher(self._native.publisher())
        return self._bus

    def ack(self) -> Settled:
        """Done."""
        self._native.ack()
        return _SETTLED

    def retry(self, after: float | None = None, *, reason: str | None = None) -> Settled:
        """Again later, after this many seconds or by the back-off; its lane waits.

        Raises:
            InvalidError: the time is negative or no number.
        """
        self._native.retry(after, reason)
        return _SETTLED

    def reject(self, reason: str) -> Settled:
        """To the dead letters, with this reason for people."""
        self._native.reject(reason)
        return _SETTLED

    def release(self) -> Settled:
        """Given back and handed out again, not counted as an attempt."""
        self._native.release()
        return _SETTLED

    def settle(self, outcome: Outcome) -> Settled:
        """Whichever of the four an outcome says."""
        if outcome.kind == "ack":
            return self.ack()
        if outcome.kind == "retry":
            return self.retry(outcome.after, reason=outcome.reason)
        if outcome.kind == "reject":
            return self.reject(outcome.reason or "")
        return self.release()

    def __repr__(self) -> str:
        """Without the body, which belongs into no log."""
        return f"<Delivery {self.id} of {self.stream}, attempt {self.attempt}>"
