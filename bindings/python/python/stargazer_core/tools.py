"""Tools: functions that a model may call by name.

>>> import asyncio, stargazer_core as sg
>>> from stargazer_core import tool
>>> @tool
... async def weather(city: str) -> str:
...     \"\"\"Weather of a city.
...
...     Args:
...         city: Its name in English.
...     \"\"\"
...     return f"{city}: 21 °C"
>>> weather.definition["description"]
'Weather of a city.'
>>> async def main() -> None:
...     async with sg.connect("memory://") as bus, bus.serve_tools(weather):
...         print(await bus.call("weather", {"city": "Berlin"}))
>>> asyncio.run(main())
Berlin: 21 °C
"""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Generic, Literal, ParamSpec, TypeVar, cast, get_type_hints, overload

from stargazer_core import _native, span
from stargazer_core.arguments import need_function, need_map, need_seconds, need_texts
from stargazer_core.docstring import described
from stargazer_core.errands import Parts
from stargazer_core.errors import InvalidError
from stargazer_core.parameters import Parameters
from stargazer_core.serve import Reply, Request, invoke
from stargazer_core.typed import plain

if TYPE_CHECKING:
    from stargazer_core.errands import Errand

__all__ = ["Place", "Tool", "ToolContext", "ToolFunction", "merge_writeback", "tool"]

P = ParamSpec("P")
R = TypeVar("R")

#: Where a tool runs: in the gateway that holds the platform's connection, in the worker that asks, or in a tools
#: service.
Place = Literal["gateway", "worker", "service"]


class ToolContext(Request):
    """What a tool knows of its call besides the arguments, and what it gives back besides the result.

    A parameter of a tool that has this type is given it, and is not an argument.
    """

    __slots__ = ()

    @property
    def tool(self) -> str:
        """The tool that was called."""
        return self.name

    @property
    def writeback(self) -> dict[str, Any]:
        """What was written back so far."""
        return self._errand.writeback

    def write_back(self, key: str, item: Any) -> None:
        """Adds to a list of what is merged into the caller's context."""
        merge_writeback(self._errand.writeback, {key: [item]})

    def sent_file(self, data: bytes, mimetype: str, filename: str, source_url: str = "") -> None:
        """Says that a file was sent: the caller's context gets it, its bytes untouched."""
        file = {"data": data, "mimetype": mimetype, "filename": filename, "source_url": source_url}
        self.write_back("sent_files", file)

    def inject_tool(self, name: str) -> None:
        """Offers a tool for the rest of the caller's turn."""
        self.write_back("injected_tools", name)

    def sent_rich_message(self, message: Mapping[str, Any]) -> None:
        """Says that a message with more than text was sent."""
        self.write_back("sent_rich_messages", dict(message))


def merge_writeback(into: dict[str, Any], more: Mapping[str, Any]) -> None:
    """Merges what a tool wrote back into what the caller has: lists grow, anything else is replaced."""
    for key, value in need_map("more", more).items():
        have = into.get(key)
        if isinstance(have, list) and isinstance(value, list):
            have.extend(value)
        else:
            into[key] = list(value) if isinstance(value, list) else value


class Tool:
    """A definition, and what runs it."""

    def __init__(
        self,
        definition: Mapping[str, Any],
        handler: Callable[[ToolContext], Awaitable[Any]] | Callable[[ToolContext], Any],
    ) -> None:
        """From a definition (only its ``name`` is required) and a handler, which finds the arguments in its context.

        A handler that is no coroutine function runs in a thread.

        Raises:
            InvalidError: the definition cannot be; the field is named.
        """
        #: The definition with everything in it: ``name``, ``description``, ``parameters`` (JSON Schema),
        #: ``no_background``, ``allow_repeat``, ``permissions``, ``timeout_ms``, ``concurrency``, ``place``.
        self.definition: dict[str, Any] = _native.tool_definition(need_map("definition", definition))
        self._handler = need_function("handler", handler)

    @property
    def name(self) -> str:
        """Its name."""
        name: str = self.definition["name"]
        return name

    async def _invoke(self, context: ToolContext) -> Any:
        return await invoke(self._handler, context)

    async def run(self, errand: Errand) -> Parts:
        """Runs a call. For services only."""
        context = ToolContext(errand)
        span.enter(context.traceparent, context.tracestate)
        given = await self._invoke(context)
        reply = given if isinstance(given, Reply) else Reply(given)
        merge_writeback(context.writeback, reply.writeback)
        return Parts(plain(reply.result), context.writeback)

    def __repr__(self) -> str:
        """With the name."""
        return f"<Tool {self.name}>"


class ToolFunction(Tool, Generic[P, R]):
    """A function as a tool: made by :func:`tool`, and still to be called as the function."""

    def __init__(self, function: Callable[P, R], parameters: Parameters, definition: Mapping[str, Any]) -> None:
        """For :func:`tool` only."""
        super().__init__(definition, cast("Callable[[ToolContext], Any]", function))
        self._function = function
        self._parameters = parameters
        functools.update_wrapper(self, function)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Calls the function itself: no schema, no bus."""
        return self._function(*args, **kwargs)

    async def _invoke(self, context: ToolContext) -> Any:
        given = self._parameters.given(self.name, context.arguments, context)
        return await invoke(self._function, **given)


@overload
def tool(function: Callable[P, R], /) -> ToolFunction[P, R]: ...
@overload
def tool(
    function: None = None,
    /,
    *,
    name: str | None = None,
    description: str | None = None,
    parameters: Mapping[str, Any] | None = None,
    permissions: Sequence[str] = (),
    timeout: float | None = None,
    concurrency: int | None = None,
    place: Place = "service",
    no_background: bool = False,
    allow_repeat: bool = False,
) -> Callable[[Callable[P, R]], ToolFunction[P, R]]: ...
def tool(
    function: Callable[P, R] | None = None,
    /,
    *,
    name: str | None = None,
    description: str | None = None,
    parameters: Mapping[str, Any] | None = None,
    permissions: Sequence[str] = (),
    timeout: float | None = None,
    concurrency: int | None = None,
    place: Place = "service",
    no_background: bool = False,
    allow_repeat: bool = False,
) -> ToolFunction[P, R] | Callable[[Callable[P, R]], ToolFunction[P, R]]:
    """Makes a function a tool; as a decorator with options or without.

    The schema comes from the type hints, the description from the docstring, those of the parameters from its section
    ``Args:``. A coroutine function runs on the loop and has its task cancelled when it is to end; any other function
    runs in a thread. A parameter of the type :class:`ToolContext` (or that or ``None``) is given the call's context.

    Args:
        name: The name; that of the function by default.
        description: The description; the docstring's by default.
        parameters: JSON Schema of the arguments instead of the hints'.
        permissions: What the caller must be allowed.
        timeout: How long a call may run, in seconds.
        concurrency: Calls at the same time in one instance.
        place: Where it runs.
        no_background: It must not go on in the background of a turn.
        allow_repeat: It may be called again in one turn with the same arguments.

    Raises:
        InvalidError: there is no schema for a parameter, its default does not fit it, or the definition cannot be; it
            is named.
    """
    around = sys._getframe(1).f_locals

    def made(function: Callable[P, R]) -> ToolFunction[P, R]:
        if not callable(function):
            raise InvalidError(f"a tool is a function, found {type(function).__name__}", {"field": "function"})
        text, remarks = described(inspect.getdoc(function))
        takes = Parameters(function, _hints(function, around), ToolContext)
        definition: dict[str, Any] = {
            "name": name or getattr(function, "__name__", ""),
            "description": text if description is None else description,
            "parameters": takes.schema(remarks) if parameters is None else need_map("parameters", parameters),
            "permissions": need_texts("permissions", permissions),
            "place": place,
            "no_background": no_background,
            "allow_repeat": allow_repeat,
        }
        if timeout is not None:
            definition["timeout_ms"] = round((need_seconds("timeout", timeout) or 0.0) * 1000)
        if concurrency is not None:
            definition["concurrency"] = concurrency
        return ToolFunction(function, takes, definition)

    return made if function is None else made(function)


def tools_of(given: Sequence[Tool | Callable[..., Any]]) -> list[Tool]:
    """Tools, of tools and plain functions."""
    return [one if isinstance(one, Tool) else cast("Tool", tool(need_function("tools", one))) for one in given]


def _hints(function: Callable[..., Any], around: Mapping[str, Any]) -> dict[str, Any]:
    target = function if inspect.isroutine(function) else type(function).__call__
    try:
        hints = get_type_hints(target, localns=dict(around), include_extras=True)
    except NameError as error:
        text = f"a type hint of {getattr(function, '__name__', 'a tool')} cannot be resolved: {error}"
        raise InvalidError(text, {"field": "function"}) from error
    hints.pop("return", None)
    return hints
