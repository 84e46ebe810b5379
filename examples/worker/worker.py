"""A worker: answers messages until it is told to stop (SIGTERM, Ctrl-C), then finishes what it has begun.

REDIS_URL=redis://127.0.0.1:6379 python examples/worker/worker.py
"""

import asyncio
import signal

import stargazer_core as sg


async def answer(msg: sg.Inbound, delivery: sg.Delivery) -> None:
    """Says everything back; raising would be a retry, ``sg.Reject`` a dead letter."""
    await delivery.bus.publish_outbound(msg.platform, sg.message(msg.channel_id, msg.content.upper()))


async def main() -> None:
    """Runs until it is told to stop."""
    async with sg.connect(role="worker") as bus:
        # What waits for handlers at a stop is given 20 s here, as at most places that send a SIGTERM.
        inbox = bus.consume_inbound(name="worker", concurrency=16, max_attempts=5, drain_timeout=20)
        loop = asyncio.get_running_loop()
        for sign in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(sign, lambda: loop.create_task(inbox.close()))
        print("ready", flush=True)
        await inbox.run(answer)
    print("stopped", flush=True)


if __name__ == "__main__":
    asyncio.run(main())
