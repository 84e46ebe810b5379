"""For tests of programs that use a bus; pytest finds it by itself.

The fixture ``bus`` is a bus of its own in the process, for the roles ``worker`` and ``gateway`` of the platform
``web``, whose time stands still until ``await bus.time.advance(seconds)``: retries, leases and time limits are tested
without waiting. It needs pytest-asyncio or anyio. A fixture of the same name in a ``conftest.py`` takes its place;
``-p no:stargazer`` turns it off.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from stargazer_core import Bus

__all__ = ["bus"]


def _async_fixture() -> Any:
    try:
        import pytest_asyncio
    except ImportError:
        return pytest.fixture
    return pytest_asyncio.fixture


@_async_fixture()  # type: ignore[untyped-decorator]
async def bus() -> AsyncIterator[Bus]:
    """A fresh bus of this test alone, with a time that it moves."""
    from stargazer_core import connect

    async with connect("memory://", role="standalone", platforms=["web"], virtual_time=True) as bus:
        yield bus
