"""Serving tools, and calling them wherever they run."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypedDict

from stargazer_core import _native
from stargazer_core.arguments import need_texts
from stargazer_core.calls import Answer, Identity, call, spanned
from stargazer_core.errors import InvalidError
from stargazer_core.loop import ask
from stargazer_core.serve import Figures, figures, invoke
from stargazer_core.served import Enlisted, Opening, Served
from stargazer_core.tools import Tool, tools_of

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from stargazer_core.bus import Bus
    from stargazer_core.calls import CallOptions
    from stargazer_core.errands import Errand
    from stargazer_core.publisher import Publisher

__all__ = [
    "Authority",
    "RemoteRegistry",
    "ToolService",
    "ToolServiceSettings",
    "ToolsMode",
    "Worker",
    "WorkerTool",
]

#: Who knows what callers are allowed: a table of users (``platform:user_id``, all of them ``*``) with their permissions
#: (all of them ``*``), or a function of identity and permission. Requests are not signed: this protects one user of a
#: platform from another, not the bus from those who may write to it.
Authority = Mapping[str, Iterable[str]] | Callable[[Identity, str], bool | Awaitable[bool]]

#: Where a tool runs that this process has and a service has, too.
ToolsMode = Literal["in_process", "remote"]


class ToolServiceSettings(TypedDict, total=False):
    """How tools are served."""

    #: Its name; by default one that follows from the names of its tools, so that instances of the same tools are one
    #: service. Instances of one service must have the same tools.
    service: str | None
    #: Calls at the same time in this instance, on each of its two streams. 256.
    concurrency: int
    #: Lease of its requests. 15 s.
    lease: float
    #: How quickly the end of a lease is noticed. A third of the lease.
    sweep: float
    #: How long running calls may go on when it closes. 20 s.
    drain_timeout: float


@dataclass(frozen=True)
class WorkerTool:
    """A tool of a :class:`Worker`."""

    #: Its name.
    name: str
    #: Calls that it runs at the same time.
    capacity: int
    #: Calls that run or wait for their turn.
    in_flight: int
    #: Calls that gave a result.
    succeeded: int
    #: Calls that failed.
    failed: int
    #: How long 95 % of the last calls took at most, in seconds; 0 before the first.
    p95: float


@dataclass(frozen=True)
class Worker:
    """An instance of a tools service, as it told of itself at its last sign of life."""

    #: Its identity, never used twice.
    instance: str
    #: Its service.
    service: str | None
    #: Whether it takes no calls any more, and only ends what it has begun.
    draining: bool
    #: Calls that it runs at the same time.
    capacity: int
    #: Calls that run or wait for their turn.
    in_flight: int
    #: When it told this, milliseconds since 1970, by its own clock.
    seen_ms: int
    #: When it started, milliseconds since 1970, by its own clock.
    started_ms: int
    #: Its tools, sorted by name.
    tools: list[WorkerTool]

    def has_room(self, tool: str) -> bool:
        """Whether it can take one more call of a tool."""
        of = [one for one in self.tools if one.name == tool]
        return not self.draining and self.in_flight < self.capacity and any(one.in_flight < one.capacity for one in of)


class ToolService(Served[_native.ToolService]):
    """A tools service, opened by ``async with`` or ``await``: it serves calls of its tools, and keeps them in the
    catalog.

    Closing leaves the catalog first, then ends what runs within the drain time.
    """

    def __init__(
        self,
        bus: Bus,
        tools: Sequence[Tool | Callable[..., Any]],
        authority: Authority | None,
        settings: ToolServiceSettings,
    ) -> None:
        """For :meth:`Bus.serve_tools <stargazer_core.Bus.serve_tools>` only."""
        super().__init__(bus, "this tools service")
        self._tools = tools_of(tools)
        self._authority = authority
        self._settings = settings

    @property
    def service(self) -> str:
        """The name of its service."""
        return self._opened().service

    @property
    def instance(self) -> str:
        """Its identity, never used twice."""
        return self._opened().instance

    @property
    def schema_hash(self) -> str:
        """The hash of the catalog in force, as this instance knows it."""
        return self._opened().schema_hash

    @property
    def names(self) -> list[str]:
        """The names of its tools, sorted."""
        return sorted(tool.name for tool in self._tools)

    def figures(self) -> Figures:
        """What it has done so far, by tool over both streams."""
        return figures(self._opened().figures())

    async def _begin(self) -> _native.ToolService:
        rows = [(tool.definition, self._enlisted.enlist(tool.run)) for tool in self._tools]
        authority = authority_row(self._enlisted, self._authority)
        return await ask(self._bus._native.serve_tools, rows, authority, dict(self._settings))


class RemoteRegistry(Opening[_native.ToolRegistry]):
    """The tools that can be called from here, wherever they run. Opened by ``async with`` or ``await``.

    It reads the catalog and follows it. Arguments are checked before anything is sent.
    """

    def __init__(
        self,
        bus: Bus,
        tools: Sequence[Tool | Callable[..., Any]],
        authority: Authority | None,
        mode: ToolsMode | None,
        force_in_process: Iterable[str],
    ) -> None:
        """For :meth:`Bus.tool_registry <stargazer_core.Bus.tool_registry>` only."""
        super().__init__(bus, "this registry")
        self._tools = tools_of(tools)
        self._authority = authority
        self._mode = mode
        self._forced = need_texts("force_in_process", force_in_process)

    @property
    def version(self) -> str:
        """The version of the catalog that is in use, ``""`` before the first."""
        return self._opened().version

    @property
    def schema_hash(self) -> str:
        """The hash of the catalog that is in use, ``""`` before the first."""
        return self._opened().schema_hash

    def definitions(self) -> list[dict[str, Any]]:
        """All tools, sorted by name. Of two of one name, that which a call would run."""
        return self._opened().definitions()

    async def definitions_for(self, caller: Identity) -> list[dict[str, Any]]:
        """The tools that a caller may call, as far as the authority knows; without one, those that need no
        permission.
        """
        listed: list[dict[str, Any]] = await ask(self._opened().definitions_for, caller, False)
        return listed

    def openai_tools(self) -> list[dict[str, Any]]:
        """All tools as the ``tools`` of a chat model take them: a list of function schemas."""
        return self._opened().openai_tools()

    async def openai_tools_for(self, caller: Identity) -> list[dict[str, Any]]:
        """The function schemas of the tools that a caller may call."""
        listed: list[dict[str, Any]] = await ask(self._opened().definitions_for, caller, True)
        return listed

    def get(self, name: str) -> dict[str, Any]:
        """The definition of a tool.

        Raises:
            NotFoundError: there is none of that name.
        """
        return self._opened().get(name)

    def route(self, name: str) -> tuple[Literal["in_process", "gateway", "service"], str | None]:
        """Where a call of a tool goes, and the service where it is one (``None``: the shared one).

        Raises:
            NotFoundError: there is none of that name.
        """
        return self._opened().route(name)

    async def call(
        self,
        name: str,
        arguments: Mapping[str, Any] | None = None,
        *,
        bus: Publisher | None = None,
        **options: Unpack[CallOptions],
    ) -> Any:
        """Calls a tool, and gives the result.

        Ends as :meth:`Bus.call <stargazer_core.Bus.call>` does, and besides with ``NotFoundError`` for a tool that
        nobody has, and ``InvalidError`` when the arguments do not fit. Through the ``bus`` of a delivery, that says for
        whom, until when, and what remembers it.
        """
        return (await self.call_with(name, arguments, bus=bus, **options)).result

    async def call_with(
        self,
        name: str,
        arguments: Mapping[str, Any] | None = None,
        *,
        bus: Publisher | None = None,
        **options: Unpack[CallOptions],
    ) -> Answer:
        """:meth:`call` with the whole answer: the result, and what is to be written back."""
        through = (self._bus if bus is None else bus)._publisher
        return await call(self._opened().call, through, name, arguments or {}, spanned(options))

    async def reload(self) -> None:
        """Reads the catalog now."""
        await ask(self._opened().reload)

    async def changed(self, version: str) -> None:
        """Waits until the catalog in use is another one than that of this version.

        Raises:
            ClosedError: the registry was closed.
        """
        await ask(self._opened().changed, version)

    async def workers(self) -> list[Worker]:
        """The instances of tools services that live."""
        return await self._bus.tool_workers()

    async def close(self) -> None:
        """Ends it. May be called twice."""
        if self._native is not None:
            self._native.close()
            self._enlisted.dismiss()

    async def _begin(self) -> _native.ToolRegistry:
        rows = [(tool.definition, self._enlisted.enlist(tool.run)) for tool in self._tools]
        authority = authority_row(self._enlisted, self._authority)
        return await ask(self._bus._native.tool_registry, rows, authority, self._mode, self._forced)


def workers(rows: list[dict[str, Any]]) -> list[Worker]:
    """Instances as the core tells them."""
    return [Worker(**{**row, "tools": [WorkerTool(**tool) for tool in row["tools"]]}) for row in rows]


def authority_row(enlisted: Enlisted, authority: Authority | None) -> int | list[tuple[str, list[str]]] | None:
    """An authority as the core takes it: a function's number, or users and what they may."""
    if authority is None:
        return None
    if isinstance(authority, Mapping):
        return [(user, need_texts("authority", permissions)) for user, permissions in authority.items()]
    if not callable(authority):
        text = f"an authority is a table or a function, found {type(authority).__name__}"
        raise InvalidError(text, {"field": "authority"})
    asked = authority

    async def allows(errand: Errand) -> Any:
        identity = dict(errand.arguments)
        permission = identity.pop("permission")
        return await invoke(asked, identity, permission)

    return enlisted.enlist(allows)
