"""The types of ``sync.py``, written by ``tools/sync_stub.py`` from the classes that are mirrored."""

from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Generic, Literal, overload

from typing_extensions import Self, TypeVar, Unpack

from stargazer_core._native import Receipt, Topology
from stargazer_core.bus import Bus, Role
from stargazer_core.calls import Answer, CallFigures, CallOptions, Identity
from stargazer_core.dead_letter import DeadLetter, DeadLetterPage, DeadLetterSummary, LetterFilter, ReplayReport
from stargazer_core.envelope import Inbound, Outbound
from stargazer_core.errors import StargazerError
from stargazer_core.events import EventFields
from stargazer_core.info import Entry, Finding, PendingInfo, StreamInfo
from stargazer_core.lock import LeaseSettings, LockSettings, _Default
from stargazer_core.mirror import Mirror
from stargazer_core.notice import Notice
from stargazer_core.outcome import Outcome
from stargazer_core.serve import CallHandler, Figures, HandlerOptions, ServeSettings
from stargazer_core.settings import BusSettings, ConsumerSettings
from stargazer_core.store import LogEntry
from stargazer_core.store_ops import Data
from stargazer_core.subscription import Notification
from stargazer_core.tool_service import Authority, ToolServiceSettings, ToolsMode, Worker
from stargazer_core.tools import Tool
from stargazer_core.trace import State, Trace

__all__ = [
    "SyncBatch",
    "SyncBus",
    "SyncConsumer",
    "SyncDeadLetters",
    "SyncDelivery",
    "SyncEventBus",
    "SyncEventBusReader",
    "SyncLease",
    "SyncLock",
    "SyncPublisher",
    "SyncRemoteRegistry",
    "SyncServing",
    "SyncStore",
    "SyncSubscription",
    "SyncTime",
    "SyncToolService",
]

T = TypeVar("T", default=Any)
R = TypeVar("R")

class SyncBatch(Mirror):
    """Writes that are carried out together."""

    def commit(self) -> list[Any]:
        """Carries them out; one answer for each, as the method of that name on :class:`Store` gives it.

        Raises:
            ConflictError: a condition does not hold, and nothing was changed. ``context["unmet"]`` is its place.
        """
    def require_absent(self, key: str) -> Self:
        """Has the batch carried out only if there is no such key."""
    def require_member(self, key: str, member: Data) -> Self:
        """Has the batch carried out only if a set has a member."""
    def set(self, key: str, value: Data, *, ttl: float | None = None) -> Self:
        """See :meth:`Store.set`."""
    def set_if_absent(self, key: str, value: Data, *, ttl: float | None = None) -> Self:
        """See :meth:`Store.set_if_absent`."""
    def compare_and_set(self, key: str, expected: Data, value: Data, *, ttl: float | None = None) -> Self:
        """See :meth:`Store.compare_and_set`."""
    def compare_and_delete(self, key: str, expected: Data) -> Self:
        """See :meth:`Store.compare_and_delete`."""
    def increment(self, key: str, by: int = 1, *, ttl: float | None = None) -> Self:
        """See :meth:`Store.increment`."""
    def delete(self, *keys: str) -> Self:
        """See :meth:`Store.delete`."""
    def expire(self, key: str, ttl: float) -> Self:
        """See :meth:`Store.expire`."""
    def hash_set(self, key: str, fields: Mapping[str, Data], *, ttl: float | None = None) -> Self:
        """See :meth:`Store.hash_set`."""
    def hash_set_if_absent(self, key: str, field: str, value: Data) -> Self:
        """See :meth:`Store.hash_set_if_absent`."""
    def hash_delete(self, key: str, *fields: str) -> Self:
        """See :meth:`Store.hash_delete`."""
    def hash_increment(self, key: str, field: str, by: int = 1) -> Self:
        """See :meth:`Store.hash_increment`."""
    def set_add(self, key: str, *members: Data, ttl: float | None = None) -> Self:
        """See :meth:`Store.set_add`."""
    def set_remove(self, key: str, *members: Data) -> Self:
        """See :meth:`Store.set_remove`."""
    def sorted_add(self, key: str, members: Mapping[Any, float], *, ttl: float | None = None) -> Self:
        """See :meth:`Store.sorted_add`."""
    def sorted_remove(self, key: str, *members: Data) -> Self:
        """See :meth:`Store.sorted_remove`."""
    def list_push(self, key: str, *values: Data, ttl: float | None = None) -> Self:
        """See :meth:`Store.list_push`."""
    def list_trim(self, key: str, first: int, last: int) -> Self:
        """See :meth:`Store.list_trim`."""
    def notify(self, channel: str, payload: Data) -> Self:
        """See :meth:`Store.notify`."""
    def log_append(
        self,
        stream: str,
        fields: Mapping[str, Data],
        *,
        max_len: int | None = None,
        approximate: bool = True,
        ttl: float | None = None,
    ) -> Self:
        """See :meth:`Store.log_append`."""

class SyncBus(SyncPublisher):
    """A connected bus whose methods wait. ``with SyncBus(url) as bus`` closes it at the end.

    Takes what :func:`~stargazer_core.connect` takes and connects at once. Methods and errors are those of
    :class:`~stargazer_core.Bus`; ``InvalidError`` where an event loop runs, which the wait would hold.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        role: Role | None = None,
        platforms: Iterable[str] = ...,
        **settings: Unpack[BusSettings],
    ) -> None:
        """Connects; see :func:`~stargazer_core.connect`."""
    def wait(self, work: Callable[[Bus], Coroutine[Any, Any, R]]) -> R:
        """Anything else that the bus can do: ``bus.wait(lambda bus: …)`` with an ``async def`` of the bus."""
    def close(self) -> None:
        """Closes it for everybody who uses it: who waits in another thread gets ``ClosedError``. May be called twice.

        Where it is refused, ``InvalidError`` in a running event loop, the bus stays open.
        """
    @property
    def url(self) -> str:
        """The address, without its password."""
    @property
    def topology(self) -> Topology:
        """The names of its streams and groups, after settings and environment."""
    @property
    def time(self) -> SyncTime:
        """The time of a bus that was connected with ``virtual_time=True``.

        Raises:
            InvalidError: the time of this bus is everybody's.
        """
    def consume_inbound(
        self, *, group: str | None = None, **settings: Unpack[ConsumerSettings]
    ) -> SyncConsumer[Inbound]:
        """A consumer of messages from platforms, in the workers' group."""
    def consume_outbound(
        self, platform: str, *, group: str | None = None, **settings: Unpack[ConsumerSettings]
    ) -> SyncConsumer[Outbound]:
        """A consumer of what a platform's gateway is to do, in its group."""
    @overload
    def consume(
        self, stream: str, group: str, *, body: type[T], **settings: Unpack[ConsumerSettings]
    ) -> SyncConsumer[T]: ...
    @overload
    def consume(
        self, stream: str, group: str, *, body: None = None, **settings: Unpack[ConsumerSettings]
    ) -> SyncConsumer[Any]: ...
    def ensure_streams(self, role: Role, platforms: Iterable[str] = ...) -> None:
        """Makes the streams and groups that a role needs; may be called twice.

        Raises:
            InvalidError: there is no such role, or a gateway has no platforms.
        """
    def stream_info(self, stream: str) -> StreamInfo:
        """A stream at a glance.

        Raises:
            NotFoundError: there is none of that name.
        """
    def pending(self, stream: str, group: str) -> PendingInfo:
        """What a group has read and not finished.

        Raises:
            NotFoundError: there is no such stream or group.
        """
    def entries(self, stream: str, *, after: str = "0-0", count: int = 100) -> list[Entry]:
        """Entries after an id, oldest first, at most ``count`` (and 1000)."""
    def dead_letters(self, stream: str | None = None) -> SyncDeadLetters:
        """The entries that were given up; those of another stream than this bus writes them to, if one is named."""
    def events(self, stream: str | None = None, *, maxlen: int = 100000) -> SyncEventBus:
        """Publishes lifecycle events: best effort, never in the way. See :mod:`stargazer_core.events`."""
    def event_reader(
        self, stream: str | None = None, *, last_id: str = "$", block_ms: int = 5000, count: int = 50
    ) -> SyncEventBusReader:
        """Reads lifecycle events after an id: ``"$"`` for what comes from now on, ``"0"`` for everything."""
    def serve(
        self,
        handlers: Mapping[str, CallHandler] | None = None,
        *,
        others: CallHandler | None = None,
        **settings: Unpack[ServeSettings],
    ) -> SyncServing:
        """Serves calls: ``async with bus.serve({"weather": weather}) as serving``.

        Servers of one service must serve the same names; ``others`` runs every name that no handler serves. Options of
        a handler are given to :meth:`Serving.handle`.
        """
    def serve_tools(
        self,
        *tools: Tool | Callable[..., Any],
        authority: Authority | None = None,
        **settings: Unpack[ToolServiceSettings],
    ) -> SyncToolService:
        """Serves tools, and keeps them in the catalog: ``async with bus.serve_tools(weather):``.

        Opening raises ``InvalidError``, naming the field, for a tool that cannot be, for two of one name, and for none
        at all. Without an ``authority``, tools that need a permission are refused to everybody.
        """
    def tool_registry(
        self,
        *tools: Tool | Callable[..., Any],
        authority: Authority | None = None,
        mode: ToolsMode | None = None,
        force_in_process: Iterable[str] = ...,
    ) -> SyncRemoteRegistry:
        """The tools that can be called from here, wherever they run: ``async with bus.tool_registry() as registry``.

        ``tools`` are those that this process has itself; ``mode`` and ``force_in_process`` say which of them run here,
        by default and beside the settings ``tools_service_mode`` and ``tools_force_in_process``.
        """
    def tool_workers(self) -> list[Worker]:
        """The instances of tools services that live, as they told of themselves at their last sign of life."""
    def doctor(self) -> list[Finding]:
        """Whether the server is safe to keep messages on, check by check.

        Version, role, eviction, persistence, rights and more. What it does not let us see is ``unknown``, never ``ok``.
        """
    def lock(self, name: str, **settings: Unpack[LockSettings]) -> SyncLock:
        """A lock over the fleet. Nothing is taken yet. A name with a colon is the key itself.

        Raises:
            InvalidError: a name or a setting is out of range.
        """
    def channel_lock(self, channel: str, **settings: Unpack[LockSettings]) -> SyncLock:
        """The original's lock of a channel, by its id or key; the one that workers in mode ``lock`` take."""
    def lease(self, name: str, **settings: Unpack[LeaseSettings]) -> SyncLease:
        """Leadership under a name. Nobody leads yet."""
    def trace(self, trace_id: str) -> Trace:
        """The whole life of whatever has this trace id: what each process of the fleet told of it.

        Raises:
            NotFoundError: nobody traced it, or its last step was more than a day ago.
        """
    def transition(self, trace_id: str, state: State, detail: Mapping[str, Any] | None = None) -> None:
        """Takes down that something came to a state; it is written soon, also where the bus traces nothing by itself.

        Nothing is refused but what is no state: a step that the state before does not allow is counted.
        """
    def checkpoint(self, trace_id: str, state: State, value: object, detail: Mapping[str, Any] | None = None) -> bool:
        """The same with what replaces the checkpoint of the trace: anything that can be a body.

        It is written when this returns; whether the state before allowed the step.
        """

    def __enter__(self) -> Self:
        """Opens it, or takes it; leaving ends that."""
    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Closes it, or gives it up."""

class SyncConsumer(Mirror, Generic[T]):
    """A reader of a group: iterate it, or ask it for the ``next``.

    A delivery that is not settled before the next one is asked for is still in hand; leaving ``with``, or ``close``,
    releases what is.
    """

    def next(self, *, timeout: float | None = None) -> SyncDelivery[T]:
        """The next delivery, waited for as long as it takes or for ``timeout`` seconds.

        Raises:
            TimeoutError: nothing came in time.
            ClosedError: the consumer is closed.
        """
    def next_batch(self, n: int, *, timeout: float | None = None) -> list[SyncDelivery[T]]:
        """At least one delivery, as many as are there, at most ``n``; none once the consumer is closed.

        Raises:
            TimeoutError: nothing came within ``timeout`` seconds.
        """
    def __iter__(self) -> Self:
        """Deliveries, until the consumer is closed."""
    def __next__(self) -> SyncDelivery[T]:
        """The next delivery."""
    def notices(self) -> Iterator[Notice]:
        """What happens besides deliveries: ``async for notice in consumer.notices()``, until the consumer is closed.

        From the first step on, not before it. Who reads too slowly misses the oldest and gets a notice ``missed``.
        """
    def close(self) -> None:
        """Ends it: no new work; running handlers get ``drain_timeout``, what is in hand otherwise is released.

        May be called twice. Trouble that could not be told before is raised here.
        """

    def __enter__(self) -> Self:
        """Opens it, or takes it; leaving ends that."""
    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Closes it, or gives it up."""

class SyncDeadLetters(Mirror):
    """The entries that were given up."""

    def inspect(self, **which: Unpack[LetterFilter]) -> DeadLetterSummary:
        """How many there are, since when, and why."""
    def list(
        self, *, oldest_first: bool = False, limit: int = 100, cursor: str | None = None, **which: Unpack[LetterFilter]
    ) -> DeadLetterPage:
        """A page of letters, the newest first, without their big bodies; ``cursor`` is that of the page before.

        Raises:
            InvalidError: an argument is wrong; ``limit`` is 1 to 1000.
        """
    def get(self, letter: str) -> DeadLetter:
        """One letter by its id, with its whole body.

        Raises:
            NotFoundError: there is none.
        """
    def replay(
        self,
        ids: Iterable[str] | None = None,
        *,
        all: bool = False,
        dry_run: bool = False,
        limit: int | None = None,
        rate: float | None = None,
        **which: Unpack[LetterFilter],
    ) -> ReplayReport:
        """Puts letters back into the streams they came from, under their message ids and with their history.

        Which: ``ids``, or a filter, or ``all``. By filter the oldest come first, at most ``limit`` (100), at most
        ``rate`` a second. A letter that cannot be put back is kept and stands in the report; at a full stream the call
        ends. Repeating a call stores nothing twice.

        Raises:
            InvalidError: an argument is wrong, or neither ids nor a filter nor ``all`` was given.
        """
    def discard(
        self, ids: Iterable[str] | None = None, *, count: int | None = None, **which: Unpack[LetterFilter]
    ) -> Sequence[DeadLetter]:
        """Throws letters away, and gives what was removed.

        Which: ``ids``, or a filter together with the ``count`` of letters that it must mean.

        Raises:
            ConflictError: the filter means another number of letters; nothing was removed.
            InvalidError: an argument is wrong.
        """

class SyncDelivery(Mirror, Generic[T]):
    """An entry in your hands. Settling it waits for nothing: outcomes leave with the next burst."""

    @property
    def data(self) -> T:
        """The body, decoded when it is first looked at.

        ``Inbound``, ``Outbound``, a value of the type that the consumer reads, or plain dicts and lists.

        Raises:
            MalformedError: a plain stream's entry has no body.
        """
    @property
    def raw(self) -> bytes:
        """The msgpack bytes of the body."""
    def field(self, name: str) -> bytes | None:
        """A field of the entry as it came, such as ``tp``."""
    @property
    def id(self) -> str:
        """The entry's id."""
    @property
    def stream(self) -> str:
        """The stream it came from."""
    @property
    def lane(self) -> str | None:
        """What it is ordered by; ``None`` when it is not ordered."""
    @property
    def attempt(self) -> int:
        """Which start this is, from 1."""
    @property
    def redelivered(self) -> bool:
        """Whether it was, or may have been, handed out before."""
    @property
    def replays(self) -> int:
        """How often it was put back from the dead letters; attempts are counted anew each time."""
    @property
    def trace_id(self) -> str:
        """The trace id, ``""`` for none."""
    @property
    def traceparent(self) -> str | None:
        """W3C ``traceparent``, if it was published with one."""
    @property
    def tracestate(self) -> str | None:
        """W3C ``tracestate``, if it was published with one."""
    @property
    def message_id(self) -> str | None:
        """The message id it was published under."""
    @property
    def cancelled(self) -> bool:
        """Whether to stop: another consumer has or may have the work, it took too long, or the consumer closes."""
    @property
    def bus(self) -> SyncPublisher:
        """The bus for what this delivery causes: refused with ``StaleError`` once the delivery is no longer ours."""
    def ack(self) -> None:
        """Done."""
    def retry(self, after: float | None = None, *, reason: str | None = None) -> None:
        """Again later, after this many seconds or by the back-off; its lane waits.

        Raises:
            InvalidError: the time is negative or no number.
        """
    def reject(self, reason: str) -> None:
        """To the dead letters, with this reason for people."""
    def release(self) -> None:
        """Given back and handed out again, not counted as an attempt."""
    def settle(self, outcome: Outcome) -> None:
        """Whichever of the four an outcome says."""

class SyncEventBus(Mirror):
    """Publishes lifecycle events."""

    @property
    def stream(self) -> str:
        """As :class:`EventBus` has it."""
    @property
    def maxlen(self) -> int:
        """As :class:`EventBus` has it."""
    def publish(self, kind: str, **fields: Unpack[EventFields]) -> str:
        """Publishes an event and waits at most 50 ms for its id. ``""``: it was dropped, or is still queued."""
    def publish_and_wait(self, kind: str, **fields: Unpack[EventFields]) -> str:
        """Publishes an event and waits for what becomes of one attempt, however long. ``""``: it failed."""
    def publish_nowait(self, kind: str, **fields: Unpack[EventFields]) -> None:
        """Publishes an event and waits for nothing. From any thread, with a running loop or without."""
    @property
    def stats(self) -> dict[str, int]:
        """What became of the events: ``published``, ``dropped``, ``failed``, ``late`` and ``queued``."""
    def aclose(self) -> None:
        """Sends what waits, for at most 2 s, drops the rest and takes nothing any more. May be called twice."""

    def __enter__(self) -> Self:
        """Opens it, or takes it; leaving ends that."""
    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Closes it, or gives it up."""

class SyncEventBusReader(Mirror):
    """Reads lifecycle events."""

    @property
    def last_id(self) -> str:
        """As :class:`EventBusReader` has it."""
    def ready(self) -> None:
        """Finds the end if that is where it begins: what is published afterwards is read."""
    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Events as they come, until it is closed."""
    def next(self) -> dict[str, Any] | None:
        """The next event; ``None`` once it is closed. May be cancelled: the event comes with the next call then."""
    def aclose(self) -> None:
        """Ends it. May be called twice."""

class SyncLease(Mirror):
    """Leadership under a name. A loss is told by ``is_leader``, by ``lost`` and at the end of the block."""

    @property
    def fence(self) -> int | None:
        """The fencing number for as long as it leads: larger than those of all leaders before."""
    @property
    def is_leader(self) -> bool:
        """Whether it leads."""
    def acquire(self, *, timeout: float | _Default | None = ...) -> int:
        """Leads; waits for others as long as its setting ``wait`` says, or ``timeout`` (``None``: for ever).

        Gives the fencing number; who leads already gets its number again.

        Raises:
            TimeoutError: somebody else led all the time.
            UnavailableError: the server could not be reached in that time.
        """
    def try_acquire(self) -> int | None:
        """Leads if nobody else does; the fencing number, or nothing. One attempt."""
    def resign(self) -> bool:
        """Lets somebody else lead, at once; ``False``: it led no more."""
    def lost(self) -> StargazerError | None:
        """Waits for the end of what is held: why it was lost, or nothing when it was given up or is not held."""

    def __enter__(self) -> Self:
        """Opens it, or takes it; leaving ends that."""
    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Closes it, or gives it up."""

class SyncLock(Mirror):
    """A lock of the fleet. It is renewed beside the block; a loss is told by ``held``, by ``lost`` and at the end."""

    @property
    def key(self) -> str:
        """The key it stands under."""
    @property
    def held(self) -> bool:
        """Whether it is held."""
    @property
    def token(self) -> str | None:
        """The token of what is held."""
    def acquire(self, *, timeout: float | _Default | None = ...) -> None:
        """Takes it; waits for others as long as its setting ``wait`` says, or ``timeout`` (``None``: for ever).

        Raises:
            TimeoutError: somebody else held it all the time.
            UnavailableError: the server could not be reached in that time.
            StaleError: this object has lost it and did not give it up yet.
        """
    def try_acquire(self) -> bool:
        """Takes it if nobody else holds it; whether it did. One attempt."""
    def renew(self) -> bool:
        """Lets it last ``ttl`` from now; ``False``: it is not held, or lost. An error changes nothing."""
    def release(self) -> bool:
        """Gives it up, as often as it was taken; ``False``: it was not ours any more.

        A server that does not answer is asked again for 2 s; after an error the lock lapses by itself.
        """
    def lost(self) -> StargazerError | None:
        """Waits for the end of what is held: why it was lost, or nothing when it was given up or is not held."""

    def __enter__(self) -> Self:
        """Opens it, or takes it; leaving ends that."""
    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Closes it, or gives it up."""

class SyncPublisher(Mirror):
    """Publishes and calls; ``delivery.bus`` is one."""

    def store(self) -> SyncStore:
        """What the server keeps under keys: texts, hashes, sets, lists, notifications, logs. Not fenced."""
    def publish_inbound(
        self,
        envelope: Mapping[str, Any],
        *,
        key: str | None = None,
        message_id: str | None = None,
        trace_id: str | None = None,
        traceparent: str | None = None,
        tracestate: str | None = None,
        wait_replicas: int | None = None,
    ) -> Receipt:
        """A message from a platform, for the workers: from ``inbound(…)``, or any dict of that shape."""
    def publish_outbound(
        self,
        platform: str,
        envelope: Mapping[str, Any],
        *,
        key: str | None = None,
        message_id: str | None = None,
        trace_id: str | None = None,
        traceparent: str | None = None,
        tracestate: str | None = None,
        wait_replicas: int | None = None,
    ) -> Receipt:
        """Something for a platform's gateway to do: from ``message(…)`` and its like, or any dict of that shape."""
    def publish_tools_request(
        self,
        request: Mapping[str, Any],
        *,
        key: str | None = None,
        message_id: str | None = None,
        trace_id: str | None = None,
        traceparent: str | None = None,
        tracestate: str | None = None,
        wait_replicas: int | None = None,
    ) -> Receipt:
        """A request to run a tool."""
    def publish_tools_reply(
        self,
        reply_stream: str,
        reply: Mapping[str, Any],
        *,
        key: str | None = None,
        message_id: str | None = None,
        trace_id: str | None = None,
        traceparent: str | None = None,
        tracestate: str | None = None,
        wait_replicas: int | None = None,
    ) -> Receipt:
        """What a tool gave, onto the reply stream that its request named."""
    def publish(
        self,
        stream: str,
        body: Any,
        *,
        key: str | None = None,
        message_id: str | None = None,
        trace_id: str | None = None,
        traceparent: str | None = None,
        tracestate: str | None = None,
        wait_replicas: int | None = None,
    ) -> Receipt:
        """Anything onto any stream."""
    def call(self, name: str, arguments: Mapping[str, Any] | None = None, **options: Unpack[CallOptions]) -> Any:
        """Calls a name, and gives the result.

        A call ends once: with the result or one of the errors below. Cancelling the task that awaits it, or leaving an
        ``asyncio.timeout``, has whoever runs it told to end. Made through ``delivery.bus``, a finished call is
        remembered with the delivery: when the same message comes again, the result is given without running again.

        Raises:
            RemoteError: the handler failed; ``remote_code`` says how.
            TimeoutError: nobody answered within ``timeout`` seconds.
            ExpiredError: the request was read after its deadline and not run.
            CancelledError: the call was cancelled where it ran.
            NoWorkerError: nobody serves the name.
            InvalidError: an argument or option cannot be sent; it is named.
            StaleError: the delivery through whose bus it was made is no longer ours.
        """
    def call_with(
        self, name: str, arguments: Mapping[str, Any] | None = None, **options: Unpack[CallOptions]
    ) -> Answer:
        """:meth:`call` with the whole answer: the result, and what is to be written back."""
    def call_gateway(
        self, platform: str, method: str, params: Mapping[str, Any] | None = None, **options: Unpack[CallOptions]
    ) -> Answer:
        """Calls a method of a platform's gateway: ``fetch_history``, ``is_channel_valid``, ``execute_tool``, ….

        Ends as :meth:`call` does. Nothing is remembered, and there is no ``service``.
        """
    def call_figures(self) -> CallFigures:
        """What the calls of this bus have come to."""

class SyncRemoteRegistry(Mirror):
    """The tools that can be called from here: ``with bus.tool_registry() as registry:``."""

    @property
    def version(self) -> str:
        """The version of the catalog that is in use, ``""`` before the first."""
    @property
    def schema_hash(self) -> str:
        """The hash of the catalog that is in use, ``""`` before the first."""
    def definitions(self) -> list[dict[str, Any]]:
        """All tools, sorted by name. Of two of one name, that which a call would run."""
    def definitions_for(self, caller: Identity) -> list[dict[str, Any]]:
        """The tools that a caller may call, as far as the authority knows; without one, those that need no
        permission.
        """
    def openai_tools(self) -> list[dict[str, Any]]:
        """All tools as the ``tools`` of a chat model take them: a list of function schemas."""
    def openai_tools_for(self, caller: Identity) -> list[dict[str, Any]]:
        """The function schemas of the tools that a caller may call."""
    def get(self, name: str) -> dict[str, Any]:
        """The definition of a tool.

        Raises:
            NotFoundError: there is none of that name.
        """
    def route(self, name: str) -> tuple[Literal["in_process", "gateway", "service"], str | None]:
        """Where a call of a tool goes, and the service where it is one (``None``: the shared one).

        Raises:
            NotFoundError: there is none of that name.
        """
    def call(
        self,
        name: str,
        arguments: Mapping[str, Any] | None = None,
        *,
        bus: SyncPublisher | None = None,
        **options: Unpack[CallOptions],
    ) -> Any:
        """Calls a tool, and gives the result.

        Ends as :meth:`Bus.call <stargazer_core.Bus.call>` does, and besides with ``NotFoundError`` for a tool that
        nobody has, and ``InvalidError`` when the arguments do not fit. Through the ``bus`` of a delivery, that says for
        whom, until when, and what remembers it.
        """
    def call_with(
        self,
        name: str,
        arguments: Mapping[str, Any] | None = None,
        *,
        bus: SyncPublisher | None = None,
        **options: Unpack[CallOptions],
    ) -> Answer:
        """:meth:`call` with the whole answer: the result, and what is to be written back."""
    def reload(self) -> None:
        """Reads the catalog now."""
    def changed(self, version: str) -> None:
        """Waits until the catalog in use is another one than that of this version.

        Raises:
            ClosedError: the registry was closed.
        """
    def workers(self) -> list[Worker]:
        """The instances of tools services that live."""
    def close(self) -> None:
        """Ends it. May be called twice."""

    def __enter__(self) -> Self:
        """Opens it, or takes it; leaving ends that."""
    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Closes it, or gives it up."""

class SyncServing(Mirror):
    """A server of calls: ``with bus.serve({"weather": weather}):``. Plain functions run in threads."""

    def handle(self, name: str, handler: CallHandler, **options: Unpack[HandlerOptions]) -> Self:
        """Serves a name from now on, in place of what served it so far; what runs goes on.

        Raises:
            InvalidError: an option is out of range.
        """
    def remove(self, name: str) -> bool:
        """Serves a name no longer; whether it was served. What runs goes on."""
    @property
    def names(self) -> list[str]:
        """The names that are served, sorted."""
    @property
    def stream(self) -> str:
        """The stream that its requests come from."""
    def figures(self) -> Figures:
        """What it has done so far."""
    def close(self, *, drain_timeout: float | None = None) -> None:
        """Ends it: nothing new is started, what runs gets the drain time, the rest goes to others at once.

        A tools service leaves the catalog first. May be called twice.
        """

    def __enter__(self) -> Self:
        """Opens it, or takes it; leaving ends that."""
    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Closes it, or gives it up."""

class SyncStore(Mirror):
    """What a server keeps under keys."""

    def batch(self) -> SyncBatch:
        """Writes that are carried out together, in one step."""
    def get(self, key: str) -> bytes | None:
        """The text under a key."""
    def set(self, key: str, value: Data, *, ttl: float | None = None) -> None:
        """Sets a text."""
    def set_if_absent(self, key: str, value: Data, *, ttl: float | None = None) -> bool:
        """Sets a text when there is no such key; whether it did."""
    def compare_and_set(self, key: str, expected: Data, value: Data, *, ttl: float | None = None) -> bool:
        """Sets a text when the key holds ``expected``; whether it did. Without ``ttl`` it lives for ever then."""
    def compare_and_delete(self, key: str, expected: Data) -> bool:
        """Removes a text that is ``expected``; whether it did."""
    def increment(self, key: str, by: int = 1, *, ttl: float | None = None) -> int:
        """Adds to a counter, which is 0 at first; what it is afterwards. It reaches to ±999,999,999,999,999,999."""
    def delete(self, *keys: str) -> int:
        """Removes keys of any kind; how many there were. At most 1000."""
    def exists(self, key: str) -> bool:
        """Whether there is a key of any kind."""
    def expire(self, key: str, ttl: float) -> bool:
        """Lets a key of any kind live that long from now; whether there is one."""
    def time_to_live(self, key: str) -> float | None:
        """How long a key still lives; ``None`` without a limit, and without a key."""
    def hash_get(self, key: str, field: str) -> bytes | None:
        """The value of a field."""
    def hash_get_all(self, key: str) -> dict[str, bytes]:
        """All fields and values.

        Raises:
            MalformedError: the name of a field is no UTF-8.
        """
    def hash_set(self, key: str, fields: Mapping[str, Data], *, ttl: float | None = None) -> int:
        """Sets fields; how many are new."""
    def hash_set_if_absent(self, key: str, field: str, value: Data) -> bool:
        """Sets a field that is not there; whether it did."""
    def hash_delete(self, key: str, *fields: str) -> int:
        """Removes fields; how many there were."""
    def hash_exists(self, key: str, field: str) -> bool:
        """Whether there is such a field."""
    def hash_len(self, key: str) -> int:
        """How many fields there are."""
    def hash_increment(self, key: str, field: str, by: int = 1) -> int:
        """Adds to a counter in a hash, which is 0 at first; what it is afterwards."""
    def set_add(self, key: str, *members: Data, ttl: float | None = None) -> int:
        """Adds members to a set; how many are new."""
    def set_remove(self, key: str, *members: Data) -> int:
        """Removes members of a set; how many there were."""
    def set_contains(self, key: str, member: Data) -> bool:
        """Whether a set has a member."""
    def set_members(self, key: str) -> frozenset[bytes]:
        """All members of a set."""
    def sorted_add(self, key: str, members: Mapping[Any, float], *, ttl: float | None = None) -> int:
        """Adds members with their scores, or gives them another score; how many are new."""
    def sorted_remove(self, key: str, *members: Data) -> int:
        """Removes members; how many there were."""
    def sorted_range(
        self, key: str, low: float = ..., high: float = ..., *, count: int = 1000
    ) -> list[tuple[bytes, float]]:
        """Members whose score lies between two (inclusive), lowest first and then by their bytes, at most ``count``."""
    def list_push(self, key: str, *values: Data, ttl: float | None = None) -> int:
        """Adds values behind the last of a list; its length afterwards."""
    def list_range(self, key: str, first: int = 0, last: int = ...) -> list[bytes]:
        """Values between two places (inclusive); places count from 0, from behind as -1, -2, …"""
    def list_pop(self, key: str) -> bytes | None:
        """Takes the first value off a list."""
    def list_trim(self, key: str, first: int, last: int) -> None:
        """Keeps only the values between two places (inclusive)."""
    def notify(self, channel: str, payload: Data) -> int:
        """Tells those who listen on a channel at this moment; how many connections that is."""
    def subscribe(self, *channels: str) -> SyncSubscription:
        """Listens on channels; everything told once this has returned is heard.

        An unreachable server is an error here; an outage later is told as a notification that says ``lost``.
        """
    def log_append(
        self,
        stream: str,
        fields: Mapping[str, Data],
        *,
        max_len: int | None = None,
        approximate: bool = True,
        ttl: float | None = None,
    ) -> str:
        """Appends an entry; its id. The stream keeps ``max_len`` entries, or somewhat more (``approximate``)."""
    def log_read(self, stream: str, after: str = "0-0", *, count: int = 100) -> list[LogEntry]:
        """Entries after an id, oldest first, at most ``count`` (1 to 1000)."""
    def log_tail(self, stream: str, after: str, *, count: int = 100, wait: float = 5.0) -> list[LogEntry]:
        """The same, and when there are none yet, as soon as there are any; none when ``wait`` seconds are over."""
    def log_trim(self, stream: str, up_to: str) -> int:
        """Removes the entries up to an id, that one included; how many there were."""
    def log_last(self, stream: str) -> str:
        """The last id that a stream gave; ``"0-0"`` when there is no such stream."""

class SyncSubscription(Mirror):
    """An open ear on some channels."""

    def next(self) -> Notification | None:
        """What is heard next, waited for also through an outage; ``None`` once it or its bus is closed.

        May be cancelled: what is heard comes with the next call then.
        """
    def __iter__(self) -> Self:
        """What is heard, until it is closed."""
    def __next__(self) -> Notification:
        """What is heard next."""
    def close(self) -> None:
        """Ends it. May be called twice."""

    def __enter__(self) -> Self:
        """Opens it, or takes it; leaving ends that."""
    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Closes it, or gives it up."""

class SyncTime(Mirror):
    """The time of a bus that was connected with ``virtual_time=True``."""

    @property
    def now(self) -> float:
        """Seconds since the bus was connected."""
    def advance(self, seconds: float) -> None:
        """Lets so many seconds pass: whatever the bus has to do within them is done, in order, before this ends."""

class SyncToolService(Mirror):
    """A tools service: ``with bus.serve_tools(weather):``. Plain functions run in threads."""

    @property
    def service(self) -> str:
        """The name of its service."""
    @property
    def instance(self) -> str:
        """Its identity, never used twice."""
    @property
    def schema_hash(self) -> str:
        """The hash of the catalog in force, as this instance knows it."""
    @property
    def names(self) -> list[str]:
        """The names of its tools, sorted."""
    def figures(self) -> Figures:
        """What it has done so far, by tool over both streams."""
    def close(self, *, drain_timeout: float | None = None) -> None:
        """Ends it: nothing new is started, what runs gets the drain time, the rest goes to others at once.

        A tools service leaves the catalog first. May be called twice.
        """

    def __enter__(self) -> Self:
        """Opens it, or takes it; leaving ends that."""
    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Closes it, or gives it up."""
