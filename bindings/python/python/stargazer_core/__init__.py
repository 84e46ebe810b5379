"""stargazer: a message bus over Redis Streams with strict order per channel.

>>> import asyncio, stargazer_core as sg
>>> async def main() -> None:
...     async with sg.connect("memory://", role="worker") as bus:
...         await bus.publish_inbound(sg.inbound("web", channel="c1", user="u1", text="Berlin?"))
...         async with bus.consume_inbound() as inbox:
...             delivery = await inbox.next(timeout=1)
...             print(delivery.data.content)
...             await delivery.ack()
>>> asyncio.run(main())
Berlin?
"""

from stargazer_core import events, platform
from stargazer_core._native import Receipt, Topology, version
from stargazer_core.bus import Bus, Connecting, Role, connect
from stargazer_core.calls import Answer, CallFigures, CallOptions, Identity
from stargazer_core.consumer import Consumer
from stargazer_core.dead_letter import (
    DeadLetter,
    DeadLetterPage,
    DeadLetters,
    DeadLetterSummary,
    LetterFilter,
    PastLife,
    Replayed,
    ReplayReport,
)
from stargazer_core.delivery import Delivery
from stargazer_core.envelope import (
    Inbound,
    Outbound,
    buttons,
    file,
    inbound,
    message,
    presence,
    reaction,
    rpc,
    typing,
)
from stargazer_core.errors import (
    AuthError,
    CancelledError,
    ClosedError,
    ConflictError,
    ExpiredError,
    Failure,
    ForkedError,
    FullError,
    InternalError,
    InvalidError,
    MalformedError,
    NotFoundError,
    NoWorkerError,
    RejectedError,
    RemoteError,
    StaleError,
    StargazerError,
    TimeoutError,  # noqa: A004 - it is one
    TooLargeError,
    UnavailableError,
)
from stargazer_core.handler import Handler
from stargazer_core.info import Entry, Finding, GroupInfo, PendingInfo, StreamInfo
from stargazer_core.lock import Lease, LeaseSettings, Lock, LockSettings
from stargazer_core.notice import Notice, NoticeKind
from stargazer_core.outcome import Outcome, Reject
from stargazer_core.platform import Gateway, IncomingMessage, PlatformAdapter, ProxyAdapter
from stargazer_core.publisher import Publisher
from stargazer_core.serve import (
    CallHandler,
    Figures,
    HandlerFigures,
    HandlerOptions,
    Reply,
    Request,
    ServeSettings,
    Serving,
)
from stargazer_core.settings import BusSettings, ConsumerSettings
from stargazer_core.singleton import Singleton, SingletonSettings, SingletonState
from stargazer_core.store import Store
from stargazer_core.sync import SyncBus, SyncConsumer
from stargazer_core.time import Time
from stargazer_core.tool_service import (
    Authority,
    RemoteRegistry,
    ToolService,
    ToolServiceSettings,
    ToolsMode,
    Worker,
    WorkerTool,
)
from stargazer_core.tools import Place, Tool, ToolContext, ToolFunction, merge_writeback, tool
from stargazer_core.trace import State, Step, Trace
from stargazer_core.values import Ext

__all__ = [
    "Answer",
    "AuthError",
    "Authority",
    "Bus",
    "BusSettings",
    "CallFigures",
    "CallHandler",
    "CallOptions",
    "CancelledError",
    "ClosedError",
    "ConflictError",
    "Connecting",
    "Consumer",
    "ConsumerSettings",
    "DeadLetter",
    "DeadLetterPage",
    "DeadLetterSummary",
    "DeadLetters",
    "Delivery",
    "Entry",
    "ExpiredError",
    "Ext",
    "Failure",
    "Figures",
    "Finding",
    "ForkedError",
    "FullError",
    "Gateway",
    "GroupInfo",
    "Handler",
    "HandlerFigures",
    "HandlerOptions",
    "Identity",
    "Inbound",
    "IncomingMessage",
    "InternalError",
    "InvalidError",
    "Lease",
    "LeaseSettings",
    "LetterFilter",
    "Lock",
    "LockSettings",
    "MalformedError",
    "NoWorkerError",
    "NotFoundError",
    "Notice",
    "NoticeKind",
    "Outbound",
    "Outcome",
    "PastLife",
    "PendingInfo",
    "Place",
    "PlatformAdapter",
    "ProxyAdapter",
    "Publisher",
    "Receipt",
    "Reject",
    "RejectedError",
    "RemoteError",
    "RemoteRegistry",
    "ReplayReport",
    "Replayed",
    "Reply",
    "Request",
    "Role",
    "ServeSettings",
    "Serving",
    "Singleton",
    "SingletonSettings",
    "SingletonState",
    "StaleError",
    "StargazerError",
    "State",
    "Step",
    "Store",
    "StreamInfo",
    "SyncBus",
    "SyncConsumer",
    "Time",
    "TimeoutError",
    "TooLargeError",
    "Tool",
    "ToolContext",
    "ToolFunction",
    "ToolService",
    "ToolServiceSettings",
    "ToolsMode",
    "Topology",
    "Trace",
    "UnavailableError",
    "Worker",
    "WorkerTool",
    "__version__",
    "buttons",
    "connect",
    "events",
    "file",
    "inbound",
    "merge_writeback",
    "message",
    "platform",
    "presence",
    "reaction",
    "rpc",
    "tool",
    "typing",
]

__version__: str = version()
