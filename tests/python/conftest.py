"""Fixtures of the Python suite: a bus on either transport, with streams that no other test uses."""

import asyncio
import itertools
import uuid
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import pytest_asyncio
import stargazer_core as sg
import uvloop
from harness.server import Server

#: What runs on uvloop as well: publishing, consuming, handlers, calls, cancelling.
HEART = {
    "test_calls",
    "test_cancelling",
    "test_consumer",
    "test_delivering",
    "test_handler",
    "test_handlers",
    "test_losing",
    "test_publish",
}


def pytest_asyncio_loop_factories(item: pytest.Item) -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """The loops that a test runs on."""
    loops: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {"asyncio": asyncio.new_event_loop}
    if item.path.stem in HEART:
        loops["uvloop"] = uvloop.new_event_loop
    return loops


_NUMBERS = itertools.count()


@pytest.fixture
def names() -> dict[str, Any]:
    """Settings under which a bus shares no stream with another test's, and waits for nothing long."""
    own = f"t{next(_NUMBERS)}-{uuid.uuid4().hex[:8]}"
    return {
        "inbound_stream": f"{own}:inbound",
        "outbound_stream_prefix": f"{own}:outbound",
        "worker_group": f"{own}:workers",
        "gateway_group_prefix": f"{own}:gateway",
        "tools_stream": f"{own}:tools",
        "tools_group": f"{own}:tools",
        "tools_reply_prefix": f"{own}:reply",
        "dead_letter_stream": f"{own}:dlq",
        "stream_prefix": own,
    }


@pytest.fixture(params=["memory", "redis"])
def url(request: pytest.FixtureRequest) -> str:
    """An address on each transport."""
    if request.param == "memory":
        return f"memory://{uuid.uuid4().hex}"
    server: Server = request.getfixturevalue("server")
    return server.url


@pytest_asyncio.fixture
async def bus(url: str, names: dict[str, Any]) -> AsyncIterator[sg.Bus]:
    """A connected bus for both roles and the platform ``web``."""
    async with sg.connect(url, role="standalone", platforms=["web"], **names) as bus:
        yield bus
