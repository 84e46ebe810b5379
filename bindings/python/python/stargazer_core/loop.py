"""What an event loop has to do with the I/O thread: requests go out with a future, and come back in bursts.

One bridge per loop. The loop watches its file, so that nobody has to call into the loop from another thread, and owns
it: with the loop closed, the bridge goes, and what was pending with it. All futures are touched here, on the loop's own
thread.
"""

from __future__ import annotations

import asyncio
import logging
import os
import select
import threading
from asyncio import AbstractEventLoop, Future, InvalidStateError
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar, cast
from weakref import WeakKeyDictionary, ref

from stargazer_core import _native
from stargazer_core.errands import Errands
from stargazer_core.errors import exception

if TYPE_CHECKING:
    from typing_extensions import TypeVarTuple, Unpack

    _Args = TypeVarTuple("_Args")

__all__ = ["ask", "bridge", "errands", "publish"]

_log = logging.getLogger("stargazer_core")

P = ParamSpec("P")
R = TypeVar("R")


def ask(
    start: Callable[Concatenate[_native.Bridge, Future[R], P], None], *args: P.args, **kwargs: P.kwargs
) -> Future[R]:
    """Starts a request; the future has its answer."""
    loop = asyncio.get_running_loop()
    future: Future[R] = loop.create_future()
    start(_bridge(loop).native, future, *args, **kwargs)
    return future


def publish(
    start: Callable[[_native.Bridge, Future[_native.Receipt], Unpack[_Args]], bool], *args: Unpack[_Args]
) -> Future[_native.Receipt]:
    """Starts a publish; the future has its receipt. Several of one tick leave together.

    Takes no arguments by name, which would cost a dict on each side. Whoever awaits the receipt must not hold the
    bridge meanwhile: it holds the future, hence the one who awaits, which the garbage collector does not see.
    """
    loop = asyncio.get_running_loop()
    bridge = _bridge(loop)
    future: Future[_native.Receipt] = loop.create_future()
    if start(bridge.native, future, *args):
        loop.call_soon(bridge.native.flush)
    return future


def bridge() -> _native.Bridge:
    """The queue of the running loop."""
    return _bridge(asyncio.get_running_loop()).native


def errands() -> Errands:
    """What the core has done on the running loop."""
    return _bridge(asyncio.get_running_loop()).errands


class _Bridge:
    """The loop's end of the queue."""

    __slots__ = ("__weakref__", "_drained", "errands", "native")

    def __init__(self, loop: AbstractEventLoop) -> None:
        self.native = _native.Bridge()
        self.errands = Errands(self.native)
        self._drained: threading.Event | None = None
        try:
            loop.add_reader(self.native.fileno(), self.drain)
        except NotImplementedError:
            self._drained = threading.Event()
            watch = (loop, self, self._drained)
            threading.Thread(target=_watch, args=watch, name="stargazer-bell", daemon=True).start()

    def drain(self) -> None:
        finished, lines, jobs, ends = self.native.drain()
        for level, line in lines:
            _log.log(level, "%s", line)
        for future, value, error in finished:
            try:
                if error is None:
                    future.set_result(value)
                else:
                    future.set_exception(
                        error if isinstance(error, BaseException) else exception(*cast("tuple[Any, Any, Any]", error))
                    )
            except InvalidStateError:
                # Cancelled by whoever awaited it: what was sent stays sent.
                continue
        for job in jobs:
            self.errands.begin(*job)
        for number, reason in ends:
            self.errands.end(number, reason)
        if self._drained is not None:
            self._drained.set()


# Weak on both sides: a bridge holds the futures of its loop, hence the loop.
_bridges: WeakKeyDictionary[AbstractEventLoop, ref[_Bridge]] = WeakKeyDictionary()

if hasattr(os, "register_at_fork"):
    # In this order (they are called from the first to the last): what the parent had must not be dropped here, and the
    # child's loops are not the parent's, even where it goes on with the same object.
    os.register_at_fork(after_in_child=_native.forked)
    os.register_at_fork(after_in_child=_bridges.clear)


def _bridge(loop: AbstractEventLoop) -> _Bridge:
    known = _bridges.get(loop)
    bridge = known() if known is not None else None
    if bridge is None:
        bridge = _Bridge(loop)
        _bridges[loop] = ref(bridge)
    return bridge


#: How often the thread of a loop that can watch no file looks whether the loop has gone, in seconds.
_LOOK = 1.0


def _watch(loop: AbstractEventLoop, bridge: _Bridge, drained: threading.Event) -> None:
    """Watches the file for a loop that cannot, until the loop is closed."""
    file = bridge.native.fileno()
    while not loop.is_closed():
        readable, _, _ = select.select([file], [], [], _LOOK)
        if not readable:
            continue
        drained.clear()
        try:
            loop.call_soon_threadsafe(bridge.drain)
        except RuntimeError:
            # Closed in this moment.
            return
        while not drained.wait(_LOOK) and not loop.is_closed():
            pass
