"""What the private native module exports; proven against the built module by stubtest."""

from asyncio import Future
from collections.abc import Mapping
from typing import Any, Literal, TypeAlias, final

__all__ = [
    "Asking",
    "Bridge",
    "Bus",
    "Cancel",
    "Consumer",
    "Delivery",
    "EventBus",
    "EventReader",
    "Lease",
    "Limit",
    "Lock",
    "Notices",
    "Part",
    "Publisher",
    "Receipt",
    "Serving",
    "Singleton",
    "ToolRegistry",
    "ToolService",
    "Topology",
    "Turn",
    "buttons",
    "channel_key",
    "check_arguments",
    "connect",
    "convert",
    "decode",
    "encode",
    "error_codes",
    "event_kinds",
    "event_stream",
    "file",
    "file_bytes",
    "forked",
    "inbound",
    "inbound_defaults",
    "lease",
    "lock",
    "message",
    "notice_kinds",
    "presence",
    "reaction",
    "rpc",
    "shared_gateway_group",
    "singleton",
    "tool_definition",
    "trace",
    "typing",
    "url_from_env",
    "version",
]

_Loss: TypeAlias = tuple[str, str, dict[str, str]]
_Told: TypeAlias = (
    tuple[str, str, dict[str, str]] | tuple[str, str, dict[str, str], tuple[dict[str, Any], dict[str, Any]]]
)
_Answer: TypeAlias = tuple[Any, dict[str, Any], bool]
_Came: TypeAlias = Literal["arrived", "cancelled", "idle", "ended", "woken"]

@final
class Bridge:
    """One loop's queue."""

    def __init__(self) -> None: ...
    def fileno(self) -> int:
        """The file that is readable when there is something to drain."""
    def drain(
        self,
    ) -> tuple[
        list[tuple[Future[Any], Any, BaseException | _Told | None]],
        list[tuple[int, str]],
        list[tuple[int, int, str, Any, Publisher | None]],
        list[tuple[int, str]],
    ]:
        """What has come back: futures with their values or errors; lines for the log with their levels; what is to be
        done, and what is to end."""
    def answer(self, number: int, answer: Any) -> bool:
        """The answer of something that was to be done; whether somebody still waited for it."""
    def fail(self, number: int, told: dict[str, Any]) -> bool:
        """Why something could not be done; whether somebody still waited for it."""
    def flush(self) -> None:
        """Sends the publishes that wait for the end of the tick."""

@final
class Bus:
    """A connected bus."""

    @property
    def publisher(self) -> Publisher:
        """Publishes to its streams."""
    @property
    def url(self) -> str: ...
    @property
    def topology(self) -> Topology:
        """Names of its streams and groups."""
    def now(self) -> float: ...
    def advance(self, bridge: Bridge, future: Future[None], seconds: float) -> None: ...
    def ensure_streams(self, bridge: Bridge, future: Future[None], role: str, platforms: list[str]) -> None: ...
    def stream_info(self, bridge: Bridge, future: Future[dict[str, Any]], stream: str) -> None: ...
    def pending(self, bridge: Bridge, future: Future[dict[str, Any]], stream: str, group: str) -> None: ...
    def entries(
        self, bridge: Bridge, future: Future[list[tuple[str, dict[str, bytes]]]], stream: str, after: str, count: int
    ) -> None: ...
    def dead_letters(
        self, bridge: Bridge, future: Future[Any], stream: str | None, call: str, arguments: dict[str, Any]
    ) -> None: ...
    def events(self, stream: str | None, max_len: int) -> EventBus: ...
    def event_reader(self, stream: str | None, last_id: str, block_ms: int, count: int) -> EventReader: ...
    def serve(
        self,
        bridge: Bridge,
        future: Future[Serving],
        handlers: list[tuple[str, int, dict[str, Any]]],
        others: tuple[int, dict[str, Any]] | None,
        settings: dict[str, Any],
    ) -> None: ...
    def serve_tools(
        self,
        bridge: Bridge,
        future: Future[ToolService],
        tools: list[tuple[dict[str, Any], int]],
        authority: int | list[tuple[str, list[str]]] | None,
        settings: dict[str, Any],
    ) -> None: ...
    def tool_registry(
        self,
        bridge: Bridge,
        future: Future[ToolRegistry],
        tools: list[tuple[dict[str, Any], int]],
        authority: int | list[tuple[str, list[str]]] | None,
        mode: str | None,
        forced: list[str],
    ) -> None: ...
    def tool_workers(self, bridge: Bridge, future: Future[list[dict[str, Any]]]) -> None: ...
    def doctor(self, bridge: Bridge, future: Future[list[tuple[str, Any, str, str]]]) -> None: ...
    def close(self, bridge: Bridge, future: Future[None]) -> None: ...
    def consume_inbound(self, group: str | None, settings: dict[str, Any]) -> Consumer: ...
    def consume_outbound(self, platform: str, group: str | None, settings: dict[str, Any]) -> Consumer: ...
    def consume(self, stream: str, group: str, settings: dict[str, Any]) -> Consumer: ...

@final
class Part:
    """A part of the core."""

    def perform(self, bridge: Bridge, future: Future[Any], call: str, arguments: dict[str, Any]) -> None:
        """A call; the future gives its value, a part, or a receipt and a value beside it."""
    def at_once(self, call: str, arguments: dict[str, Any]) -> Any:
        """A call that waits for nothing."""

@final
class Publisher:
    """Publishes; under a fence when it came from a delivery."""

    def now(self) -> float:
        """Seconds by the clock of the bus, from no special moment on."""
    def part(self, name: str, arguments: dict[str, Any]) -> Part:
        """A part of the core that uses this publisher."""
    def host_adapter(self, bridge: Bridge, function: int, name: str) -> Part:
        """An adapter that is called in errands of the function with this number."""
    def gateway(
        self,
        bridge: Bridge,
        adapters: list[Part],
        methods: list[tuple[str, int]],
        consumer: dict[str, Any],
        settings: dict[str, Any],
    ) -> Part:
        """A gateway, with the numbers of functions that answer calls of a name."""
    def publish_inbound(
        self,
        bridge: Bridge,
        future: Future[Receipt],
        envelope: Mapping[str, Any],
        key: str | None,
        message_id: str | None,
        trace_id: str | None,
        traceparent: str | None,
        tracestate: str | None,
        wait_replicas: int | None,
    ) -> bool: ...
    def publish_outbound(
        self,
        bridge: Bridge,
        future: Future[Receipt],
        platform: str,
        envelope: Mapping[str, Any],
        key: str | None,
        message_id: str | None,
        trace_id: str | None,
        traceparent: str | None,
        tracestate: str | None,
        wait_replicas: int | None,
    ) -> bool: ...
    def publish_tools_request(
        self,
        bridge: Bridge,
        future: Future[Receipt],
        request: Mapping[str, Any],
        key: str | None,
        message_id: str | None,
        trace_id: str | None,
        traceparent: str | None,
        tracestate: str | None,
        wait_replicas: int | None,
    ) -> bool: ...
    def publish_tools_reply(
        self,
        bridge: Bridge,
        future: Future[Receipt],
        reply_stream: str,
        reply: Mapping[str, Any],
        key: str | None,
        message_id: str | None,
        trace_id: str | None,
        traceparent: str | None,
        tracestate: str | None,
        wait_replicas: int | None,
    ) -> bool: ...
    def publish(
        self,
        bridge: Bridge,
        future: Future[Receipt],
        stream: str,
        body: Any,
        key: str | None,
        message_id: str | None,
        trace_id: str | None,
        traceparent: str | None,
        tracestate: str | None,
        wait_replicas: int | None,
    ) -> bool: ...
    def call(
        self,
        bridge: Bridge,
        future: Future[_Answer],
        cancel: Cancel,
        name: str,
        arguments: Mapping[str, Any],
        options: dict[str, Any],
    ) -> None: ...
    def call_gateway(
        self,
        bridge: Bridge,
        future: Future[_Answer],
        cancel: Cancel,
        platform: str,
        method: str,
        params: Mapping[str, Any],
        options: dict[str, Any],
    ) -> None: ...
    def call_figures(self) -> tuple[int, int, int]: ...

@final
class Cancel:
    """The sign that ends a call."""

    def __init__(self) -> None: ...
    def cancel(self) -> None: ...

@final
class Serving:
    """A running server of calls."""

    @property
    def names(self) -> list[str]: ...
    @property
    def stream(self) -> str: ...
    def handle(self, bridge: Bridge, name: str, function: int, given: dict[str, Any]) -> None: ...
    def remove(self, name: str) -> bool: ...
    def figures(self) -> dict[str, Any]: ...
    def close(self, bridge: Bridge, future: Future[None], within: float | None) -> None: ...

@final
class ToolService:
    """A running tools service."""

    @property
    def service(self) -> str: ...
    @property
    def instance(self) -> str: ...
    @property
    def schema_hash(self) -> str: ...
    @property
    def names(self) -> list[str]: ...
    def figures(self) -> dict[str, Any]: ...
    def close(self, bridge: Bridge, future: Future[None], within: float | None) -> None: ...

@final
class ToolRegistry:
    """The tools that can be called from here."""

    @property
    def version(self) -> str: ...
    @property
    def schema_hash(self) -> str: ...
    def definitions(self) -> list[dict[str, Any]]: ...
    def definitions_for(
        self, bridge: Bridge, future: Future[list[dict[str, Any]]], caller: Mapping[str, Any], openai: bool
    ) -> None: ...
    def openai_tools(self) -> list[dict[str, Any]]: ...
    def get(self, name: str) -> dict[str, Any]: ...
    def route(self, name: str) -> tuple[Literal["in_process", "gateway", "service"], str | None]: ...
    def call(
        self,
        bridge: Bridge,
        future: Future[_Answer],
        cancel: Cancel,
        through: Publisher,
        name: str,
        arguments: Mapping[str, Any],
        options: dict[str, Any],
    ) -> None: ...
    def reload(self, bridge: Bridge, future: Future[None]) -> None: ...
    def changed(self, bridge: Bridge, future: Future[None], version: str) -> None: ...
    def close(self) -> None: ...

@final
class Receipt:
    """Proof that an entry was stored."""

    @property
    def id(self) -> str:
        """The entry's id; the first one's when it was a duplicate."""
    @property
    def stream(self) -> str:
        """The stream it stands in."""
    @property
    def durability(self) -> str:
        """How safe it is: ``memory`` (gone with the process), ``server`` (gone with the server's), ``aof-everysec``,
        ``aof-always``, or ``replicated(n)``, confirmed by n replicas."""
    @property
    def duplicate(self) -> bool:
        """Whether the message id had been published before; nothing was added then."""
    def __eq__(self, value: object, /) -> bool: ...
    def __ne__(self, value: object, /) -> bool: ...

@final
class Topology:
    """The names of one bus."""

    @property
    def inbound_stream(self) -> str:
        """Stream from the gateways to the workers."""
    @property
    def worker_group(self) -> str:
        """Group of the workers."""
    @property
    def tools_stream(self) -> str:
        """Stream of tool requests."""
    @property
    def tools_group(self) -> str:
        """Group of the tool services."""
    @property
    def dead_letter_stream(self) -> str:
        """Stream of the dead letters."""
    def outbound_stream(self, platform: str) -> str:
        """The stream to a platform's gateways."""
    def gateway_group(self, platform: str) -> str:
        """The group of a platform's gateways."""
    def tools_reply_stream(self, worker: str) -> str:
        """The stream of a worker's tool replies."""
    def __eq__(self, value: object, /) -> bool: ...
    def __ne__(self, value: object, /) -> bool: ...

@final
class Consumer:
    """A reader of a group."""

    def serve(self, concurrency: int | None) -> None: ...
    def more(
        self, bridge: Bridge, future: Future[_Came], n: int, limit: Limit | None, handlers: bool, until_idle: bool
    ) -> None: ...
    def take(self, n: int) -> list[Delivery]: ...
    def pop(self) -> Delivery | None: ...
    def wake(self) -> None: ...
    def listen(self, bridge: Bridge, future: Future[Notices]) -> None: ...
    def close(self, bridge: Bridge, future: Future[None], within: float | None) -> None: ...

@final
class Limit:
    """A time limit over several requests to wait, by the clock of the bus."""

    def __new__(cls, timeout: float) -> Limit: ...

@final
class EventBus:
    """Publishes events."""

    @property
    def stream(self) -> str:
        """The stream."""
    @property
    def max_len(self) -> int:
        """How many events the stream keeps; 0 for all."""
    def publish(
        self, bridge: Bridge, future: Future[str], row: tuple[str, str, str, str, str, str], waits: bool
    ) -> None: ...
    def publish_nowait(self, row: tuple[str, str, str, str, str, str]) -> None: ...
    def stats(self) -> dict[str, int]: ...
    def close(self, bridge: Bridge, future: Future[None]) -> None: ...

@final
class EventReader:
    """Reads events."""

    def ready(self, bridge: Bridge, future: Future[str]) -> None: ...
    def route(self, bridge: Bridge, future: Future[int], kind: str) -> None: ...
    def next(
        self, bridge: Bridge, future: Future[tuple[str, bytes | None, list[int]] | None], routed: bool
    ) -> None: ...
    def close(self) -> None: ...

@final
class Notices:
    """What a consumer tells besides deliveries."""

    def next(self, bridge: Bridge, future: Future[dict[str, Any] | None]) -> None: ...

@final
class Delivery:
    """An entry handed out."""

    @property
    def id(self) -> str: ...
    @property
    def stream(self) -> str: ...
    @property
    def lane(self) -> str | None: ...
    @property
    def attempt(self) -> int: ...
    @property
    def redelivered(self) -> bool: ...
    @property
    def replays(self) -> int: ...
    @property
    def trace_id(self) -> str: ...
    @property
    def traceparent(self) -> str | None: ...
    @property
    def tracestate(self) -> str | None: ...
    @property
    def message_id(self) -> str | None: ...
    @property
    def suspect(self) -> bool: ...
    def begin(self, bridge: Bridge, future: Future[bool]) -> None: ...
    def begin_now(self) -> bool: ...
    @property
    def cancelled(self) -> bool: ...
    @property
    def raw(self) -> bytes: ...
    def field(self, name: str) -> bytes | None: ...
    def data(self) -> Any: ...
    def fill(self, into: dict[str, Any]) -> None: ...
    def publisher(self) -> Publisher: ...
    def ack(self) -> None: ...
    def retry(self, after: float | None, error: str | None) -> None: ...
    def reject(self, reason: str) -> None: ...
    def refuse(self, reason: str) -> None: ...
    def release(self) -> None: ...
    def give_up(self) -> None: ...

@final
class Asking:
    """One request to take something, to be given up by whoever stops waiting."""

    def __init__(self) -> None: ...
    def give_up(self) -> None: ...

@final
class Lock:
    """A lock of the fleet."""

    @property
    def key(self) -> str: ...
    @property
    def held(self) -> bool: ...
    @property
    def token(self) -> str | None: ...
    @property
    def abort_on_loss(self) -> bool: ...
    def acquire(self, bridge: Bridge, future: Future[None], asking: Asking, wait: float | None) -> None: ...
    def try_acquire(self, bridge: Bridge, future: Future[bool], asking: Asking) -> None: ...
    def renew(self, bridge: Bridge, future: Future[bool]) -> None: ...
    def release(self, bridge: Bridge, future: Future[bool]) -> None: ...
    def leave(self, bridge: Bridge, future: Future[None]) -> None: ...
    def lost(self, bridge: Bridge, future: Future[_Loss | None]) -> None: ...

@final
class Lease:
    """Leadership under a name."""

    @property
    def fence(self) -> int | None: ...
    def acquire(self, bridge: Bridge, future: Future[int], asking: Asking, wait: float | None) -> None: ...
    def try_acquire(self, bridge: Bridge, future: Future[int | None], asking: Asking) -> None: ...
    def resign(self, bridge: Bridge, future: Future[bool]) -> None: ...
    def leave(self, bridge: Bridge, future: Future[None]) -> None: ...
    def lost(self, bridge: Bridge, future: Future[_Loss | None]) -> None: ...

@final
class Singleton:
    """A job that runs on one process at a time."""

    @property
    def state(
        self,
    ) -> tuple[Literal["waiting", "running", "pausing", "finished", "failed", "stopped"], int | None, int, str | None]:
        """Phase, number, restarts and the last error."""
    def stop(self) -> None: ...
    def begin(self) -> None: ...
    def abandon(self) -> None: ...
    def next(self, bridge: Bridge, future: Future[Turn | None]) -> None: ...

@final
class Turn:
    """A turn of a singleton job."""

    @property
    def fence(self) -> int: ...
    def lost(self, bridge: Bridge, future: Future[_Loss | None]) -> None: ...
    def done(self) -> None: ...
    def failed(self, error: str) -> None: ...
    def cancelled(self) -> None: ...

def lock(bus: Bus, name: str, of_channel: bool, settings: dict[str, Any]) -> Lock: ...
def trace(bridge: Bridge, future: Future[Any], bus: Bus, call: str, arguments: dict[str, Any]) -> None: ...
def lease(bus: Bus, name: str, settings: dict[str, Any]) -> Lease: ...
def singleton(bus: Bus, name: str, settings: dict[str, Any]) -> Singleton: ...
def connect(
    bridge: Bridge,
    future: Future[Bus],
    url: str | None,
    role: str | None,
    platforms: list[str],
    settings: dict[str, Any],
) -> None: ...
def encode(body: Any) -> bytes: ...
def decode(data: bytes) -> Any: ...
def convert(name: str, arguments: dict[str, Any]) -> Any: ...
def notice_kinds() -> list[str]: ...
def event_kinds() -> list[str]: ...
def error_codes() -> list[tuple[str, bool]]: ...
def inbound(platform: str, channel: str, user: str, text: str) -> dict[str, Any]: ...
def channel_key(platform: str, channel: str) -> str: ...
def inbound_defaults() -> dict[str, Any]: ...
def message(channel: str, text: str, reply_to: str | None) -> dict[str, Any]: ...
def file(channel: str, filename: str, mimetype: str, data: bytes, text: str) -> dict[str, Any]: ...
def file_bytes(envelope: Mapping[str, Any]) -> bytes: ...
def buttons(channel: str, text: str, view: list[tuple[str, str, str | None]]) -> dict[str, Any]: ...
def reaction(channel: str, message_id: str, emoji: str) -> dict[str, Any]: ...
def typing(channel: str) -> dict[str, Any]: ...
def presence(status: str, emoji: str | None) -> dict[str, Any]: ...
def rpc(method: str, params: dict[str, Any], reply_to: str, correlation_id: str) -> dict[str, Any]: ...
def tool_definition(given: dict[str, Any]) -> dict[str, Any]: ...
def check_arguments(given: dict[str, Any], arguments: dict[str, Any]) -> None: ...
def forked() -> None: ...
def shared_gateway_group() -> str: ...
def event_stream() -> str: ...
def url_from_env() -> str | None: ...
def version() -> str:
    """The version that all packages of stargazer share."""
