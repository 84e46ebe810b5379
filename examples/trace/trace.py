"""The life of a message, read by its trace id: ``trace.py [URL]``."""

import asyncio
import sys

import stargazer_core as sg


async def main(url: str = "memory://demo") -> None:
    """Runs to its end."""
    async with sg.connect(url, role="standalone", platforms=["web"], trace="example") as bus:
        message = sg.inbound("web", channel="c1", user="u1", text="Berlin?")
        await bus.publish_inbound(message)

        async def answer(msg: sg.Inbound, delivery: sg.Delivery) -> None:
            await bus.transition(delivery.trace_id, "INFERRING", {"model": "none"})
            await delivery.bus.publish_outbound("web", sg.message(msg.channel_id, "21 °C"))

        async with bus.consume_inbound() as inbox:
            await inbox.run(answer, until_idle=True)
        async with bus.consume_outbound("web") as outbox:
            await (await outbox.next(timeout=1)).ack()

        for step in (await bus.trace(message["trace_id"])).steps:
            print(step.state)


asyncio.run(main(*sys.argv[1:]))
