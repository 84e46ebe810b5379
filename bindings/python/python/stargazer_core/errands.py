"""Errands: what the core has done on a loop, because only Python can do it.

A function is enlisted under a number, which is given to the core. Each errand for it runs in a task of its own and a
copy of the context in which the function was enlisted; what it returns goes back, and so does, by class and text, what
it raises. An errand that is to end has its task cancelled, once; what it answers then is heard by nobody. With the
loop, its errands end, and the core is told.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from contextvars import Context, copy_context
from dataclasses import dataclass
from typing import Any, cast
from weakref import ref

from stargazer_core import _native
from stargazer_core.errors import Failure, StargazerError, told

__all__ = ["Errand", "Errands", "Function", "Parts"]

_log = logging.getLogger("stargazer_core")


class Errand:
    """Something to be done."""

    __slots__ = ("arguments", "ending", "publisher", "told", "what", "writeback")

    def __init__(self, what: str, arguments: Any, publisher: _native.Publisher | None) -> None:
        """As the core tells it."""
        #: What the function is to do, where it can do several things: a method's name.
        self.what: str = what
        #: Arguments by name.
        self.arguments: Any = arguments
        #: The bus as this errand may use it.
        self.publisher: _native.Publisher | None = publisher
        #: Why it is to end: ``caller``, ``deadline``, ``timeout`` or ``abandoned``; ``""`` while it is not.
        self.ending: str = ""
        #: Whether the core tells of its failure in the log, so that here it is a detail.
        self.told: bool = False
        #: What a caller's context gets also when it fails.
        self.writeback: dict[str, Any] = {}


@dataclass(frozen=True)
class Parts:
    """The answer of a call: what it gave, and what goes into the caller's context."""

    result: Any
    writeback: dict[str, Any]


#: What runs errands. What it returns must be something that a body may hold.
Function = Callable[[Errand], Awaitable[Any]]


class Errands:
    """The errands of one loop. Everything here happens on the loop's thread."""

    __slots__ = ("__weakref__", "_functions", "_last", "_tasks", "bridge")

    def __init__(self, native: _native.Bridge) -> None:
        """Over the loop's queue."""
        #: The loop's queue.
        self.bridge: _native.Bridge = native
        self._functions: dict[int, tuple[Function, Context]] = {}
        self._tasks: dict[int, tuple[Errand, asyncio.Task[None]]] = {}
        self._last = 0

    def enlist(self, function: Function) -> int:
        """Lets a function run errands; the number is what the core is to know it by."""
        self._last += 1
        self._functions[self._last] = (function, copy_context())
        return self._last

    def dismiss(self, number: int) -> None:
        """Takes a function's number back. What it runs goes on."""
        self._functions.pop(number, None)

    def begin(self, number: int, function: int, what: str, arguments: Any, publisher: _native.Publisher | None) -> None:
        """Runs an errand."""
        errand = Errand(what, arguments, publisher)
        enlisted = self._functions.get(function)
        if enlisted is None:
            text = f"what was to do {what!r} has been closed"
            self.bridge.fail(number, {"kind": "closed", "code": "closed", "message": text})
            return
        # Nothing that runs may hold the loop's queue: with the loop it must go, and the core be told by that.
        errands = cast("ref[Errands]", ref(self))
        run, context = enlisted
        task = context.run(asyncio.get_running_loop().create_task, _run(errands, number, errand, run))
        self._tasks[number] = (errand, task)
        task.add_done_callback(lambda _: _ended(errands, number))
        # One that is begun while its loop is ending is ended by nobody: the core is told when the loop has gone, and
        # the log need not be. Tasks of somebody's own factory may have no such switch.
        with contextlib.suppress(AttributeError):
            task._log_destroy_pending = False  # type: ignore[attr-defined]

    def end(self, number: int, reason: str) -> None:
        """Cancels an errand."""
        errand, task = self._tasks.get(number, (None, None))
        if errand is not None and task is not None:
            errand.ending = reason
            task.cancel()

    def answer(self, number: int, errand: Errand, answer: Any) -> None:
        """Hands an answer over."""
        given = [answer.result, answer.writeback] if isinstance(answer, Parts) else answer
        try:
            self.bridge.answer(number, given)
        except StargazerError as error:
            refused = _refused(errand.what, error, parts=isinstance(answer, Parts))
            _log.warning("%s", refused)
            self.bridge.fail(number, {**told(refused), "code": "bad_answer"})

    def fail(self, number: int, errand: Errand, error: BaseException) -> None:
        """Hands over why there is no answer."""
        row = told(error)
        row["writeback"] = {**errand.writeback, **row.get("writeback", {})}
        try:
            self.bridge.fail(number, row)
        except StargazerError:
            # Details that cannot cross must not hide the failure itself.
            self.bridge.fail(number, {name: row[name] for name in ("kind", "code", "message") if name in row})

    def forget(self, number: int) -> None:
        """An errand has ended."""
        self._tasks.pop(number, None)


def _refused(name: str, error: StargazerError, *, parts: bool) -> StargazerError:
    """Why an answer cannot be sent, told by who gave it and in its own words."""
    context, field, root = error.context, error.context.get("field", ""), "answer"
    if parts:
        root = "writeback" if field.startswith("[1]") else root
        field = field[3:]
    place = root + ("" if not field or field[0] in "[." else ".") + field
    if "expected" in context and "found" in context:
        text = f"`{place}` of `{name}` must be {context['expected']}, found {context['found']}"
    else:
        text = f"the answer of `{name}` cannot be sent: {error.args[0] if error.args else error}"
    return type(error)(text, {**context, "field": place})


async def _run(errands: ref[Errands], number: int, errand: Errand, function: Function) -> None:
    try:
        answer = await function(errand)
    except asyncio.CancelledError as error:
        _fail(errands, number, errand, error)
        if errand.ending:
            # Our own cancellation has done its work.
            return
        raise
    except Exception as error:
        if not isinstance(error, StargazerError | Failure):
            _log.log(logging.DEBUG if errand.told else logging.WARNING, "%s failed", errand.what, exc_info=True)
        _fail(errands, number, errand, error)
    except BaseException as error:
        _fail(errands, number, errand, error)
        raise
    else:
        there = errands()
        if there is not None:
            there.answer(number, errand, answer)


def _fail(errands: ref[Errands], number: int, errand: Errand, error: BaseException) -> None:
    there = errands()
    if there is not None:
        there.fail(number, errand, error)


def _ended(errands: ref[Errands], number: int) -> None:
    there = errands()
    if there is not None:
        there.forget(number)
