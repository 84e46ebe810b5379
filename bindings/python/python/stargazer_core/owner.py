"""Whoever works under a lock or a lease, and is ended when it is lost."""

from __future__ import annotations

import asyncio
import sys
from asyncio import Future
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar
from weakref import ref

from stargazer_core import _native
from stargazer_core.errors import StargazerError, exception
from stargazer_core.loop import ask

__all__ = ["Owners", "taken"]

T = TypeVar("T")

#: What the core tells of a loss: code, message, context.
_Loss = tuple[str, str, dict[str, str]]


async def taken(request: Callable[[_native.Asking], Awaitable[T]]) -> T:
    """What a request takes; given back if nobody waits for it any more."""
    asking = _native.Asking()
    try:
        return await request(asking)
    except asyncio.CancelledError:
        asking.give_up()
        raise


class _Owner:
    """A task that took it, as often as it did."""

    __slots__ = ("asked_before", "task", "told")

    def __init__(self, task: asyncio.Task[Any]) -> None:
        self.task = task
        #: Whether we cancelled it.
        self.told = False
        self.asked_before = 0
        if sys.version_info >= (3, 11):
            self.asked_before = task.cancelling()


def _tell(told: ref[Owners], watch: Future[_Loss | None]) -> None:
    owners = told()
    if owners is not None:
        owners.ended(watch)


class Owners:
    """The tasks that work under one hold; cancelled when it is lost."""

    def __init__(self, lost: Callable[[_native.Bridge, Future[_Loss | None]], None], *, abort: bool) -> None:
        """``lost`` asks the core for the end of a hold."""
        self._lost = lost
        self._abort = abort
        self._owners: list[_Owner] = []
        self._watch: Future[_Loss | None] | None = None
        self._loss: StargazerError | None = None

    def enter(self) -> None:
        """The current task works under it from now on."""
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a lock is taken inside a task")
        if not self._owners:
            # The watch of an earlier hold may still be on its way.
            self._loss = None
            self._watch = ask(self._lost)
            # Weak: whoever drops a lock gives it up.
            told: ref[Owners] = ref(self)
            self._watch.add_done_callback(lambda watch: _tell(told, watch))
        self._owners.append(_Owner(task))

    @property
    def loss(self) -> StargazerError | None:
        """Why it was lost, if its loss is told to those who work under it."""
        return self._loss if self._abort else None

    def leave(self) -> None:
        """The last one works under it no longer. A cancellation that told of its loss goes on."""
        if self._owners:
            self._owners.pop()

    def forget(self, task: asyncio.Task[Any] | None) -> int:
        """A task works under it no longer; how often it did."""
        others = [owner for owner in self._owners if owner.task is not task]
        forgotten = len(self._owners) - len(others)
        self._owners = others
        return forgotten

    def clear(self) -> None:
        """Nobody works under it any more."""
        self._owners.clear()

    def _leave_told(self) -> StargazerError | None:
        """The last one works under it no longer; why it was told to end, if nobody else wants it to."""
        owner = self._owners.pop() if self._owners else None
        if owner is None or not owner.told:
            return None
        if sys.version_info >= (3, 11) and owner.task.uncancel() > owner.asked_before:
            return None
        return self._loss

    async def wait(self) -> StargazerError | None:
        """Waits for the end of the hold: why it was lost, or nothing."""
        loss = await ask(self._lost)
        return None if loss is None else exception(*loss)

    async def end(self, kind: type[BaseException] | None, back: Coroutine[Any, Any, None]) -> None:
        """The end of a block: gives it back, and raises the loss instead of the cancellation that told of it."""
        loss = self._leave_told()
        try:
            await back
        except asyncio.CancelledError:
            # Ours, which came while the block was leaving.
            if loss is None:
                raise
        if loss is not None and (kind is None or issubclass(kind, asyncio.CancelledError)):
            raise loss

    def ended(self, watch: Future[_Loss | None]) -> None:
        """A hold has ended, or the waiting for it."""
        if watch.cancelled() or watch.exception() is not None:
            return
        loss = watch.result()
        if loss is None or watch is not self._watch:
            return
        self._loss = exception(*loss)
        if not self._abort:
            return
        told: set[asyncio.Task[Any]] = set()
        # The innermost of a task is told: it hands the loss on.
        for owner in reversed(self._owners):
            if owner.task not in told and not owner.task.done():
                told.add(owner.task)
                owner.told = owner.task.cancel(str(self._loss))
