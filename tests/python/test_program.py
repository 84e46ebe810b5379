"""The program of the documentation, on both transports."""

from typing import Any

import pytest
import stargazer_core as sg


async def program(url: str, **names: Any) -> str:
    async with sg.connect(url, role="standalone", platforms=["web"], **names) as bus:
        await bus.publish_inbound(sg.inbound("web", channel="c1", user="u1", text="Berlin?"))

        async def answer(msg: sg.Inbound, d: sg.Delivery) -> None:
            await d.bus.publish_outbound("web", sg.message(msg.channel_id, f"{msg.content} 21 °C"))

        async with bus.consume_inbound() as inbox:
            await inbox.run(answer, concurrency=64, until_idle=True)
        async with bus.consume_outbound("web") as out:
            d = await out.next(timeout=1)
            text: str = d.data["text"]
            await d.ack()
        return text


async def test_a_message_is_answered(url: str, names: dict[str, Any]) -> None:
    assert await program(url, **names) == "Berlin? 21 °C"


@pytest.mark.parametrize("way", ["entered", "awaited"])
async def test_a_bus_is_connected_either_way(way: str) -> None:
    if way == "entered":
        async with sg.connect("memory://") as bus:
            assert bus.url == "memory://"
    else:
        async with await sg.connect("memory://") as bus:
            assert repr(bus) == "<Bus memory://>"
    with pytest.raises(sg.ClosedError):
        await bus.publish("s", {})
    await bus.close()
