"""Errands: what the core has done on a loop, because only Python can do it.

A function is enlisted under a number, which is given to the core. Each errand for it runs in a task and context of its
own; what it returns goes back, and so does, by class and text, what it raises. An errand that is to end has its task
cancelled, once; what it answers then is heard by nobody. With the loop, its errands end, and the core is told.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from stargazer_core import _native
from stargazer_core.errors import StargazerError, told

__all__ = ["Errand", "Errands", "Function"]

_log = logging.getLogger("stargazer_core")


class Errand:
    """Something to be done."""

    __slots__ = ("arguments", "ending", "publisher", "what")

    def __init__(self, what: str, arguments: Any, publisher: _native.Publisher | None) -> None:
        """As the core tells it."""
        #: What the function is to do, where it can do several things: a method's name.
        self.what = what
        #: Arguments by name.
        self.arguments = arguments
        #: The bus as this errand may use it.
        self.publisher = publisher
        #: Why it is to end: ``caller``, ``deadline``, ``timeout`` or ``abandoned``; ``""`` while it is not.
        self.ending = ""


#: What runs errands. What it returns must be something that a body may hold.
Function = Callable[[Errand], Awaitable[Any]]


class Errands:
    """The errands of one loop. Everything here happens on the loop's thread."""

    __slots__ = ("_functions", "_last", "_native", "_tasks")

    def __init__(self, native: _native.Bridge) -> None:
        """Over the loop's queue."""
        self._native = native
        self._functions: dict[int, Function] = {}
        self._tasks: dict[int, tuple[Errand, asyncio.Task[None]]] = {}
        self._last = 0

    def enlist(self, function: Function) -> int:
        """Lets a function run errands; the number is what the core is to know it by."""
        self._last += 1
        self._functions[self._last] = function
        return self._last

    def dismiss(self, number: int) -> None:
        """Takes a function's number back. What it runs goes on."""
        self._functions.pop(number, None)

    def begin(self, number: int, function: int, what: str, arguments: Any, publisher: _native.Publisher | None) -> None:
        """Runs an errand."""
        errand = Errand(what, arguments, publisher)
        run = self._functions.get(function)
        if run is None:
            text = f"what was to do {what!r} has been closed"
            self._native.fail(number, {"kind": "closed", "code": "closed", "message": text})
            return
        task = asyncio.get_running_loop().create_task(self._run(number, errand, run))
        self._tasks[number] = (errand, task)
        task.add_done_callback(lambda _: self._tasks.pop(number, None))

    def end(self, number: int, reason: str) -> None:
        """Cancels an errand."""
        errand, task = self._tasks.get(number, (None, None))
        if errand is not None and task is not None:
            errand.ending = reason
            task.cancel()

    async def _run(self, number: int, errand: Errand, function: Function) -> None:
        try:
            answer = await function(errand)
        except asyncio.CancelledError as error:
            self._native.fail(number, told(error))
            if errand.ending:
                # Our own cancellation has done its work.
                return
            raise
        except Exception as error:
            self._native.fail(number, told(error))
        except BaseException as error:
            self._native.fail(number, told(error))
            raise
        else:
            self._answer(number, errand, answer)

    def _answer(self, number: int, errand: Errand, answer: Any) -> None:
        try:
            self._native.answer(number, answer)
        except StargazerError as error:
            _log.warning("the answer of %s cannot be sent: %s", errand.what, error)
            self._native.fail(number, {**told(error), "code": "bad_answer"})
