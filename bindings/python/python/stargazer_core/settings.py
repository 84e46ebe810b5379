"""Settings, as keyword arguments of ``connect`` and of the ``consume…`` methods.

Durations are seconds. What is left out has the default written here; a value out of range is ``InvalidError``, with the
range in its text. Names of streams and groups can also be set by the environment (``SG_INBOUND_STREAM``,
``SG_OUTBOUND_STREAM_PREFIX``, ``SG_WORKER_GROUP``, ``SG_GATEWAY_GROUP_PREFIX``), which wins and is read by ``connect``.
"""

from typing import Literal, TypedDict

__all__ = ["BusSettings", "ConsumerSettings"]


class BusSettings(TypedDict, total=False):
    """Settings of one bus."""

    #: How long to wait for the server when connecting; 0 fails at the first refusal. 5 s.
    connect_timeout: float
    #: How long one request may take before it counts as lost. 5 s.
    response_timeout: float
    #: How long a publish waits at the cap, or for a server that cannot be reached, before it fails. 5 s.
    publish_timeout: float
    #: How long a message id is remembered. 10 minutes.
    dedupe_window: float
    #: Replicas that must confirm a publish before it has a receipt. 0.
    wait_replicas: int
    #: How long the server waits for them; shorter than ``response_timeout``. 1 s.
    replica_timeout: float
    #: Refuse to connect to a server that ``doctor`` finds bad, or cannot judge. No.
    strict_server: bool
    #: Let time stand still but for ``bus.time.advance``; only for a ``memory://`` bus of its own, in tests. No.
    virtual_time: bool
    #: What becomes of entries: ``acked`` (go once every group has finished them; the default), ``capped`` (the oldest
    #: go, read or not) or ``forever``.
    retention: Literal["acked", "capped", "forever"]
    #: Entries a stream may hold under ``acked``, at which publishers wait. 1,000,000.
    cap: int
    #: Entries that are kept, about, under ``capped``; at least 1000.
    max_len: int
    #: Take down the life of messages by trace id, under this name of who tells it. Off.
    trace: str | None
    #: Check the cap inside the server with every publish instead of now and then.
    strict_cap: bool
    #: Keep big bodies inside their entries, for fleets with readers of the original.
    inline_bodies: bool
    #: Publish what is given for an envelope as it is, for programs of the original's: its shape is not checked, and
    #: nothing is filled in.
    unchecked_envelopes: bool
    #: Certificates (PEM) that an encrypted server is checked against, in place of the system's.
    root_certificates: bytes
    #: What this client shows to an encrypted server: its certificate and the key of that, both PEM.
    client_certificate: tuple[bytes, bytes]
    #: Bytes a body may have. 16 MiB.
    max_body_bytes: int
    #: Lists and dicts inside each other. 64.
    max_body_depth: int
    #: Stream from the gateways to the workers.
    inbound_stream: str
    #: Streams to the gateways: this, a colon, the platform.
    outbound_stream_prefix: str
    #: Group of the workers.
    worker_group: str
    #: Groups of the gateways: this, a colon, the platform.
    gateway_group_prefix: str
    #: Stream of tool requests.
    tools_stream: str
    #: Group of the tool services.
    tools_group: str
    #: Streams of tool replies: this, a colon, the worker.
    tools_reply_prefix: str
    #: Stream of the dead letters.
    dead_letter_stream: str
    #: Streams of ``publish`` and ``consume``: this, a colon, the name; empty: the name as it is.
    stream_prefix: str
    #: Keys of the catalog of tools begin with this.
    tools_catalog_prefix: str
    #: Channel on which a new catalog is told.
    tools_catalog_channel: str
    #: Where a tool runs that a process has itself and a tools service has, too. ``in_process``.
    tools_service_mode: Literal["in_process", "remote"]
    #: Tools that a process which has them runs itself in any case.
    tools_force_in_process: list[str]
    #: First part of the name of the stream that answers come to. ``worker``.
    call_name: str
    #: How long a call waits for its answer, unless it says otherwise. 30 s.
    call_timeout: float
    #: How long a call waits for somebody who serves its name, where nobody does. 2 s.
    no_worker_after: float
    #: How long the result of a finished call is remembered. 1 hour.
    memo_ttl: float
    #: How long the stream of answers outlives a bus that died without closing. 10 minutes.
    reply_ttl: float


class ConsumerSettings(TypedDict, total=False):
    """Settings of one consumer."""

    #: First part of its identity, for people who look. ``consumer``.
    name: str
    #: Handlers at the same time, or deliveries in hand; 1 to 10,000. 64.
    concurrency: int
    #: Entries fetched ahead of the handlers. Twice the concurrency.
    prefetch: int
    #: Bytes fetched ahead of the handlers. 4 MiB.
    prefetch_bytes: int
    #: ``lanes`` (one message of a channel at a time, in order; the default), ``exclusive`` (the same, and one consumer
    #: of the group works while the others stand by), ``none``, or ``lock`` (the original's lock of a channel; no order
    #: over several consumers). All consumers of a group take the same.
    ordering: Literal["lanes", "exclusive", "none", "lock"]
    #: With ``lock``: what the locks are named after. ``both``.
    lock_id: Literal["both", "channel_id", "channel_key"]
    #: With ``lock``: how long a lock lasts unless it is renewed. 30 s.
    lock_ttl: float
    #: Order unaddressed messages, too.
    order_unaddressed: bool
    #: Start the next message of a channel only after the outcome of the one before was confirmed.
    strict: bool
    #: Starts of a message before it goes to the dead letters. 3.
    max_attempts: int
    #: The first pause before a retry, doubled each time. 1 s.
    retry_base: float
    #: The longest pause before a retry. 60 s.
    retry_max: float
    #: Share by which a pause is made longer or shorter, 0 to 1. 0.2.
    retry_jitter: float
    #: How long a handler may run before it is cancelled and the message retried. No limit.
    handler_timeout: float
    #: A consumer that gave no sign of life for this long has lost its work. 15 s.
    lease: float
    #: How quickly that is noticed. 5 s.
    sweep: float
    #: What happens to handlers when the server was out of reach for nearly a lease: ``cancel`` or ``keep``.
    on_lease_lost: Literal["cancel", "keep"]
    #: How long handlers may go on when the consumer closes. 20 s.
    drain_timeout: float
    #: Longest pause of a resting consumer between two looks. 0.2 s.
    idle_poll: float
    #: What a consumer that is not registered (a worker of the original's) has left pending for this long is taken over.
    #: 60 s.
    autoclaim_min_idle: float
