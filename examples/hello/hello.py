"""A message from a platform, its answer, and the platform's gateway that receives it: ``hello.py [URL]``."""

# README: from here
import asyncio
import sys

import stargazer_core as sg


async def main(url: str = "memory://demo") -> None:
    async with sg.connect(url, role="standalone", platforms=["web"]) as bus:
        await bus.publish_inbound(sg.inbound("web", channel="c1", user="u1", text="Berlin?"))

        async def answer(msg: sg.Inbound, delivery: sg.Delivery) -> None:
            await delivery.bus.publish_outbound("web", sg.message(msg.channel_id, f"{msg.content} 21 °C"))
            # returning is ack; raising is a retry; raising sg.Reject goes to the dead letters

        async with bus.consume_inbound() as inbox:
            await inbox.run(answer, concurrency=64, until_idle=True)
        async with bus.consume_outbound("web") as outbox:
            delivery = await outbox.next(timeout=1)
            print(delivery.data["text"])
            await delivery.ack()


asyncio.run(main(*sys.argv[1:]))
