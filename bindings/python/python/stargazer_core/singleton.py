"""Jobs that run on one process of the fleet at a time.

>>> import asyncio, stargazer_core as sg
>>> async def main() -> None:
...     async with sg.connect("memory://") as bus:
...         async def upkeep(fence: int) -> None:
...             print("no other process runs this; my number is", fence)
...         await bus.singleton("upkeep").run(upkeep)
>>> asyncio.run(main())
no other process runs this; my number is 1
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Literal, TypedDict

from stargazer_core import _native
from stargazer_core.errors import InvalidError
from stargazer_core.loop import ask

__all__ = ["Singleton", "SingletonSettings", "SingletonState"]

#: Takes the fencing number: larger than those of all turns before, on any process.
Job = Callable[[int], Awaitable[None]]


class SingletonSettings(TypedDict, total=False):
    """How a job is led and restarted. Durations are seconds."""

    #: How long another process waits after the one that ran the job died; 0.1 to 86,400. 15 s.
    ttl: float
    #: Which ends are followed by another start. ``on_error``.
    restart: Literal["never", "on_error", "always"]
    #: Restarts within ``window`` before it is given up here. 5.
    max_restarts: int
    #: How long a restart counts. 60 s.
    window: float
    #: The first pause before a restart, doubled by every restart that counts. 1 s.
    backoff: float
    #: The longest pause. 30 s.
    max_backoff: float


@dataclass(frozen=True)
class SingletonState:
    """How a singleton stands."""

    #: ``waiting`` (another process leads, or it was not started yet), ``running``, ``pausing`` (before a restart),
    #: ``finished``, ``failed`` (for good, or restarted too often), ``stopped``.
    phase: Literal["waiting", "running", "pausing", "finished", "failed", "stopped"]
    #: The number it leads under.
    fence: int | None
    #: Restarts so far.
    restarts: int
    #: How the job failed last.
    error: str | None


class Singleton:
    """A job's place in the fleet: whoever leads runs it, and it is cancelled when leadership is lost."""

    __slots__ = ("__weakref__", "_native")

    def __init__(self, native: _native.Singleton) -> None:
        """For :meth:`Bus.singleton` only."""
        self._native = native

    @property
    def state(self) -> SingletonState:
        """How it stands."""
        return SingletonState(*self._native.state)

    def stop(self) -> None:
        """Ends its run: a job that runs is cancelled, then it resigns. May be called twice.

        Before the first run it ends that one at its start; after a run it does nothing, and the next run begins anew.
        """
        self._native.stop()

    async def run(self, job: Job) -> None:
        """Runs the job whenever it leads, until the job is done or :meth:`stop` was called.

        A job that is told to end keeps the lead until it has ended, but no longer than the lease lasts. Cancelling this
        tells it, and cancelling once more tells it once more. Raises the
        job's last exception when it failed for good, or too often. After its end it may be run again, as if for the
        first time.

        Raises:
            ConflictError: it runs already.
            InvalidError: the job is no ``async def``. What runs in a thread cannot be ended when the lead is lost; run
                blocking work with ``await asyncio.to_thread(...)`` if it may outlive it.
        """
        if not callable(job):
            raise _misuse(job)
        self._native.begin()
        failure: BaseException | None = None
        try:
            while (turn := await self._next()) is not None:
                failure = await self._turn(turn, job) or failure
        except BaseException:
            # Whoever ran it does not any more.
            self.stop()
            try:
                await ask(self._native.next)
            except asyncio.CancelledError:
                # Once more, while it resigns: that goes on without anybody who waits for it.
                self._native.abandon()
                raise
            raise
        if failure is not None and self.state.phase == "failed":
            raise failure

    async def _next(self) -> _native.Turn | None:
        return await ask(self._native.next)

    async def _turn(self, turn: _native.Turn, job: Job) -> BaseException | None:
        """One turn; the exception that it ended with."""
        task = asyncio.ensure_future(_called(job, turn.fence))
        ends: list[asyncio.Future[Any]] = [task, ask(turn.lost)]
        told, cancelled = False, None
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            told = not task.done()
        except asyncio.CancelledError as error:
            told, cancelled = True, error
        while told and not task.done():
            task.cancel()
            try:
                await asyncio.wait({task})
            except asyncio.CancelledError as error:
                # Once more: so is the job, which keeps the lead until it has ended.
                cancelled = error
        if cancelled is not None:
            turn.cancelled()
            raise cancelled
        if task.cancelled():
            if told:
                turn.cancelled()
                return None
            turn.failed("the job was cancelled")
            return asyncio.CancelledError()
        failure = task.exception()
        if isinstance(failure, _NoCoroutineError):
            # It would only do the same again.
            turn.cancelled()
            raise _misuse(job)
        if failure is None or (told and isinstance(failure, Exception)):
            # What ended because it was told to is neither done nor failed.
            if told:
                turn.cancelled()
            else:
                turn.done()
            return None
        # Whatever an exception's text holds, it must not lose the turn.
        turn.failed(f"{type(failure).__name__}: {failure}".encode(errors="replace").decode())
        if not isinstance(failure, Exception):
            raise failure
        return failure


async def _called(job: Job, fence: int) -> None:
    given: object = job(fence)
    if not inspect.isawaitable(given):
        raise _NoCoroutineError
    await given


class _NoCoroutineError(Exception):
    """The job is a plain function."""


def _misuse(job: object) -> InvalidError:
    name = getattr(job, "__name__", None)
    found = f"the plain function {name}" if name else type(job).__name__
    return InvalidError(f"a job is an async def that takes the fencing number, found {found}", {"argument": "job"})
