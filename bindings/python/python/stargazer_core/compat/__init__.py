"""The original's API over this package: change an import, keep the program.

Names, signatures, defaults, return values and error habits are the original's, and so is what they promise: streams
that keep about so many entries, read or not, and probes that answer with nothing when they fail. No connection is made
by redis-py; a client that is passed in is only asked where the server is. What differs, and what a move to the
package's own API gives, is told in ``docs/compat.md``.
"""

from stargazer_core.compat.bus import RedisEventBus
from stargazer_core.compat.events import (
    EVENT_KINDS,
    EventBus,
    EventBusReader,
    NullEventBus,
    get_event_bus,
    install_default_bus,
    set_event_bus,
)
from stargazer_core.compat.inbound import InboundStreamConsumer
from stargazer_core.compat.link import aclose
from stargazer_core.compat.lock import DistributedLock
from stargazer_core.compat.outbound import OutboundStreamConsumer
from stargazer_core.compat.proxy import ProxyPlatformAdapter
from stargazer_core.compat.redis_platform import RedisPlatformAdapter
from stargazer_core.compat.serialization import deserialize_stream_payload, serialize_stream_payload

__all__ = [
    "EVENT_KINDS",
    "DistributedLock",
    "EventBus",
    "EventBusReader",
    "InboundStreamConsumer",
    "NullEventBus",
    "OutboundStreamConsumer",
    "ProxyPlatformAdapter",
    "RedisEventBus",
    "RedisPlatformAdapter",
    "aclose",
    "deserialize_stream_payload",
    "get_event_bus",
    "install_default_bus",
    "serialize_stream_payload",
    "set_event_bus",
]
