"""Waiting for what an event loop does, in programs without one."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from stargazer_core.errors import ClosedError, ForkedError, InvalidError

__all__ = ["Waiter"]

R = TypeVar("R")


class Waiter:
    """An event loop in a thread of its own. Several threads may wait for it; Ctrl-C ends a wait."""

    def __init__(self) -> None:
        """Starts the thread."""
        self._process = os.getpid()
        self._loop = asyncio.new_event_loop()
        # A daemon: a bus that nobody closed does not keep the interpreter from ending.
        self._thread = threading.Thread(target=self._loop.run_forever, name="stargazer-sync", daemon=True)
        self._thread.start()

    def wait(self, work: Coroutine[Any, Any, R]) -> R:
        """The result of some work on the loop; interrupted, the work is cancelled."""
        if (refusal := self._refusal()) is not None:
            work.close()
            raise refusal
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def call(self, function: Callable[[], R]) -> R:
        """What a function gives that wants to run on the loop, and waits for nothing."""

        async def on_the_loop() -> R:
            return function()

        return self.wait(on_the_loop())

    def _refusal(self) -> Exception | None:
        if os.getpid() != self._process:
            return ForkedError("this bus was connected before the process was forked; connect again in the child")
        if self._loop.is_closed():
            return ClosedError("this bus is closed; connect again")
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return None
        return InvalidError("SyncBus would hold the running event loop; use `async with connect(…)` here")

    def end(self) -> None:
        """Ends the thread."""
        if self._loop.is_closed() or os.getpid() != self._process:
            return
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
