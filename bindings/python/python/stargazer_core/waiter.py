"""Waiting for what an event loop does, in programs without one.

Who waits is told in any case: work that is still under way when the waiter ends is cancelled, and whoever waits for it
gets ``ClosedError``, as does who comes later.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import CancelledError, Future
from contextlib import suppress
from typing import Any, TypeVar

from stargazer_core.errors import ClosedError, ForkedError, InvalidError, StargazerError

__all__ = ["Waiter"]

R = TypeVar("R")


class Waiter:
    """An event loop in a thread of its own. Several threads may wait for it; Ctrl-C ends a wait."""

    def __init__(self) -> None:
        """Starts the thread."""
        self._process = os.getpid()
        self._loop = asyncio.new_event_loop()
        # Held while work is handed over, so that none comes after the end. Signal handlers and finalisers may find
        # their own thread in here.
        self._lock = threading.RLock()
        #: No work is taken any more.
        self._ending = False
        #: What was taken is being cancelled.
        self._sweeping = False
        #: Nothing is left.
        self._swept = False
        # A daemon: a bus that nobody closed does not keep the interpreter from ending.
        self._thread = threading.Thread(target=self._run, name="stargazer-sync", daemon=True)
        self._thread.start()

    def wait(self, work: Coroutine[Any, Any, R]) -> R:
        """The result of some work on the loop; interrupted, the work is cancelled.

        Raises:
            ClosedError: the waiter has ended, or ended before the work did.
            InvalidError: an event loop runs in this thread.
            ForkedError: the process was forked meanwhile.
        """
        return self._result(self._begun(work))

    def last(self, work: Coroutine[Any, Any, R]) -> R:
        """As :meth:`wait`, and the waiter ends with the work, whatever becomes of it. Refused work ends nothing."""
        future = self._begun(work)
        try:
            return self._result(future)
        finally:
            self.end()

    def call(self, function: Callable[[], R]) -> R:
        """What a function gives that wants to run on the loop, and waits for nothing."""

        async def on_the_loop() -> R:
            return function()

        return self.wait(on_the_loop())

    def end(self) -> None:
        """Ends the thread, and with it all work that is under way. May be called by several threads, and again."""
        if os.getpid() != self._process:
            return
        with self._lock:
            if not self._ending:
                self._ending = True
                asyncio.run_coroutine_threadsafe(self._sweep(), self._loop)
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def _begun(self, work: Coroutine[Any, Any, R]) -> Future[R]:
        refusal: StargazerError | None
        if os.getpid() != self._process:
            # Before the lock, which may be held by a thread that the child does not have.
            refusal = ForkedError("this bus was connected before the process was forked; connect again in the child")
        else:
            with self._lock:
                refusal = self._refusal()
                if refusal is None:
                    return asyncio.run_coroutine_threadsafe(work, self._loop)
        work.close()
        raise refusal

    def _refusal(self) -> StargazerError | None:
        if self._ending:
            return _closed()
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return None
        return InvalidError("SyncBus would hold the running event loop; use `async with connect(…)` here")

    def _result(self, future: Future[R]) -> R:
        try:
            return future.result()
        except CancelledError:
            # Before the sweep only the work itself can have done that.
            if self._sweeping:
                raise _closed() from None
            raise
        except BaseException:
            future.cancel()
            raise

    def _run(self) -> None:
        try:
            while not self._swept:
                # Work that wants the program to end stops the loop; whoever waits for it is told, and others go on.
                with suppress(KeyboardInterrupt, SystemExit):
                    self._loop.run_forever()
        finally:
            self._loop.close()

    async def _sweep(self) -> None:
        """Cancels what is under way; nothing comes after it."""
        own = asyncio.current_task()
        self._sweeping = True
        try:
            while under_way := asyncio.all_tasks() - {own}:
                for task in under_way:
                    task.cancel()
                # Their results are told to those who wait for them, each before this goes on.
                await asyncio.wait(under_way)
            await self._loop.shutdown_asyncgens()
        finally:
            self._swept = True
            self._loop.stop()


def _closed() -> ClosedError:
    return ClosedError("this bus is closed; connect again")
