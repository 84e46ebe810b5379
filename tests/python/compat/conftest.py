"""Fixtures: a database of the test's own on a real server, and redis-py beside it as an independent witness."""

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio
import redis
import redis.asyncio
from harness.server import Server
from stargazer_core import compat

#: No other suite uses it; its keys have the original's names.
DATABASE = 9


@pytest_asyncio.fixture
async def url(server: Server) -> AsyncIterator[str]:
    """The address of an empty database; what is opened on it is closed afterwards."""
    url = f"{server.url}/{DATABASE}"
    with redis.Redis.from_url(url) as client:
        client.flushdb()
    yield url
    await compat.aclose()


@pytest.fixture
def witness(url: str) -> Iterator[redis.Redis]:
    """A client of redis-py on the same database, to look at the wire and to write onto it."""
    with redis.Redis.from_url(url) as client:
        yield client


@pytest_asyncio.fixture
async def client(url: str) -> AsyncIterator[redis.asyncio.Redis]:
    """An asyncio client of redis-py, as the original's classes are given one."""
    async with redis.asyncio.Redis.from_url(url) as client:
        yield client
