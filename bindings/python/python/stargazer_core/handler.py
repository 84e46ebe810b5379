"""The handler form: a task per delivery, and what becomes of it."""

from __future__ import annotations

import asyncio
import inspect
import logging
import sys
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Generic, TypeVar

from stargazer_core import _native, span
from stargazer_core.body import Read
from stargazer_core.delivery import Delivery
from stargazer_core.errors import InvalidError, StargazerError
from stargazer_core.loop import ask
from stargazer_core.outcome import Outcome, Reject

__all__ = ["Handler", "Run", "takes_delivery"]

T = TypeVar("T")

#: An ``async def`` that takes the body and the delivery, or only the body.
Handler = Callable[[T, Delivery[T]], Awaitable[Outcome | None]] | Callable[[T], Awaitable[Outcome | None]]

_log = logging.getLogger("stargazer_core")


#: How often a step takes what its own handlers let come, before others have their turn.
_ROUNDS = 8


class Run(Generic[T]):
    """The handlers of one ``run``."""

    def __init__(self, handler: Handler[T], read: Read[T], native: _native.Consumer) -> None:
        """Looks at the handler's form, before anything is taken."""
        self._handler: Callable[..., object] = handler
        self._with_delivery = takes_delivery(handler)
        self._read = read
        self._native = native
        self._tasks: dict[asyncio.Task[None], _native.Delivery] = {}
        self._told: set[asyncio.Task[None]] = set()
        self._failure: BaseException | None = None
        self._stopping = False
        #: Deliveries that were taken.
        self.handled: int = 0
        #: What has come will be looked at before this tick of the loop is over, or in the next.
        self._scheduled = False

    @property
    def failed(self) -> bool:
        """Whether the run must end."""
        return self._failure is not None

    def step(self, *, cancelled: bool) -> None:
        """Starts handlers for what has come; ends those whose delivery was cancelled."""
        if cancelled:
            for task, native in self._tasks.items():
                # Once: a second time would interrupt what the handler does about the first.
                if native.cancelled and task not in self._told:
                    self._told.add(task)
                    task.cancel()
        self._scheduled = True
        for _ in range(_ROUNDS):
            taken = self._native.take(sys.maxsize)
            if not taken or self.failed:
                self._scheduled = False
                return
            self.handled += len(taken)
            for native in taken:
                task = _start(self._handle(native))
                if not task.done():
                    self._tasks[task] = native
                    task.add_done_callback(self._ended)
        # There is always more: let others have their turn.
        asyncio.get_running_loop().call_soon(self._again)

    def _again(self) -> None:
        self._scheduled = False
        if not self._stopping and not self.failed:
            self.step(cancelled=False)

    async def finish(self) -> None:
        """Waits for the handlers that still run; raises what made the run fail."""
        while self._tasks and not self.failed:
            await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
        if self._failure is not None:
            raise self._failure

    async def stop(self) -> None:
        """Cancels the handlers that still run, and waits for them."""
        self._stopping = True
        while self._tasks:
            for task in self._tasks:
                task.cancel()
            await asyncio.wait(list(self._tasks))

    def _ended(self, task: asyncio.Task[None]) -> None:
        del self._tasks[task]
        self._told.discard(task)
        if not self._scheduled:
            # Its outcome may have let the next one of its lane start.
            self._scheduled = True
            task.get_loop().call_soon(self._again)

    def _fail(self, failure: BaseException) -> None:
        if self._failure is None:
            self._failure = failure
        self._native.wake()

    async def _handle(self, native: _native.Delivery) -> None:
        """One handler, from start to outcome. Whatever happens, the delivery is settled."""
        delivery = Delivery(native, self._read)
        try:
            if not (await ask(native.begin) if native.suspect else native.begin_now()):
                return
            if not delivery._fits():
                return
            if span.wanted():
                span.enter(delivery.traceparent, delivery.tracestate)
            arguments = (delivery.data, delivery) if self._with_delivery else (delivery.data,)
            answer = self._handler(*arguments)
            if not inspect.isawaitable(answer):
                raise _MisuseError(f"a handler must be an async def; this one returned {type(answer).__name__}")
            outcome: object = await answer
            if outcome is not None and not isinstance(outcome, Outcome):
                raise _MisuseError(f"a handler returns None or an Outcome; this one returned {type(outcome).__name__}")
            self._settle(delivery, outcome or _ACK)
        except _MisuseError as misuse:
            self._settle(delivery, _RELEASE)
            self._fail(InvalidError(str(misuse), {"field": "handler", "expected": "None or Outcome"}))
        except Reject as reject:
            self._settle(delivery, Outcome.reject(reject.reason))
        except asyncio.CancelledError:
            if delivery.cancelled or self._stopping or _cancel_requested():
                self._end(native)
                raise
            # Something that the handler waited for was cancelled, not the handler.
            self._retry(delivery, "CancelledError")
        except Exception as error:
            _log.warning("a handler failed; %r is retried unless it was the last attempt", delivery, exc_info=True)
            self._retry(delivery, f"{type(error).__name__}: {error}")
        except BaseException as error:
            self._settle(delivery, _RELEASE)
            # It ends the run, and whatever the run stands in: there, where somebody awaits it.
            self._fail(error)

    def _retry(self, delivery: Delivery[T], reason: str) -> None:
        # Whatever an exception's text holds, it must not lose the delivery.
        self._settle(delivery, Outcome.retry(reason=reason.encode(errors="replace").decode()))

    def _end(self, native: _native.Delivery) -> None:
        try:
            native.give_up()
        except StargazerError:
            _log.debug("the delivery %s had gone already", native.id)

    def _settle(self, delivery: Delivery[T], outcome: Outcome) -> None:
        try:
            delivery.settle(outcome)
        except InvalidError as error:
            # An outcome that was made by hand, with a negative time for instance.
            delivery.release()
            self._fail(error)
        except StargazerError:
            _log.debug("the outcome of %r came too late", delivery)


class _MisuseError(Exception):
    """The handler is not what a handler must be."""


_ACK = Outcome.ack()
_RELEASE = Outcome.release()


def takes_delivery(handler: Callable[..., Any]) -> bool:
    """Whether a handler takes the delivery beside the body; ``InvalidError`` for what is none."""
    if not callable(handler):
        raise InvalidError(f"a handler must be an async def, found {type(handler).__name__}", {"field": "handler"})
    try:
        signature = inspect.signature(handler)
    except ValueError:
        # Not written in Python: the full form.
        return True
    for arguments in ((None, None), (None,)):
        try:
            signature.bind(*arguments)
        except TypeError:
            continue
        return len(arguments) == 2
    raise InvalidError("a handler takes the body and the delivery, or only the body", {"field": "handler"})


def _cancel_requested() -> bool:
    """Whether somebody asked the current task to end. Unknown before Python 3.11, where it counts as no."""
    if sys.version_info >= (3, 11):
        task = asyncio.current_task()
        return task is not None and task.cancelling() > 0
    return False


def _start(coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
    """A task in a context of its own; from Python 3.12 on it runs at once, up to its first wait."""
    loop = asyncio.get_running_loop()
    if sys.version_info >= (3, 12) and loop.get_task_factory() is None:
        return asyncio.Task(coroutine, loop=loop, eager_start=True)
    return loop.create_task(coroutine)
