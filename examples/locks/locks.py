"""A lock, a leader and a job that runs once in the fleet: ``locks.py [URL]``."""

import asyncio
import sys

import stargazer_core as sg


async def main(url: str = "memory://demo") -> None:
    """Runs to its end."""
    async with sg.connect(url) as bus:
        async with bus.lock("report", ttl=30):
            # Cancelled, and StaleError afterwards, if the lock were lost meanwhile.
            print("nobody else writes the report")

        async with bus.lease("status") as lease:
            assert lease.fence is not None
            print("I lead, with a number that only grows:", lease.fence > 0)

        async def upkeep(fence: int) -> None:
            print("upkeep runs here:", fence > 0)

        await bus.singleton("upkeep", restart="on_error").run(upkeep)


asyncio.run(main(*sys.argv[1:]))
