"""A tool, and a worker that answers messages with its help: ``tools.py [URL]``."""

import asyncio
import json
import sys

import stargazer_core as sg
from stargazer_core import tool


@tool
async def weather(city: str) -> str:
    """Weather of a city."""
    return f"{city}: 21 °C"


async def main(url: str = "memory://demo") -> None:
    async with sg.connect(url, role="standalone", platforms=["web"]) as bus:
        sg.events.install_default_bus(bus)
        await bus.publish_inbound(sg.inbound("web", channel="c1", user="u1", text="Berlin"))

        async def answer(msg: sg.Inbound, delivery: sg.Delivery) -> None:
            text = await delivery.bus.call("weather", {"city": msg.content}, timeout=10)
            await delivery.bus.publish_outbound("web", sg.message(msg.channel_id, text))
            sg.events.publish_nowait("agent.complete", payload={"channel": msg.channel_id})

        # In one process here; in a fleet the tools run wherever somebody serves them.
        async with bus.serve_tools(weather), bus.tool_registry() as registry, bus.consume_inbound() as inbox:
            print(json.dumps(registry.openai_tools()))
            await inbox.run(answer, concurrency=64, until_idle=True)
        async with bus.consume_outbound("web") as outbox:
            delivery = await outbox.next(timeout=1)
            print(delivery.data["text"])
            await delivery.ack()


asyncio.run(main(*sys.argv[1:]))
