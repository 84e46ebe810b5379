"""Tools: what the original's words publish is answered by a service of ours, and redis-py reads the answer."""

import asyncio
from typing import Any

import msgpack  # type: ignore[import-untyped]
import stargazer_core as sg
from stargazer_core.compat import RedisEventBus

REPLIES = "sg:tools:reply:worker-1"


async def answers(witness: Any, count: int) -> list[dict[str, Any]]:
    async with asyncio.timeout(20):
        while witness.xlen(REPLIES) < count:  # noqa: ASYNC110 - the server rings no bell for this
            await asyncio.sleep(0.005)
    return [msgpack.unpackb(fields[b"data"]) for _, fields in witness.xrange(REPLIES)]


async def test_a_service_of_ours_answers_on_the_reply_stream_that_the_request_names(url: str, witness: Any) -> None:
    async def weather(city: str) -> str:
        """Weather of a city."""
        return f"{city}: 21 °C"

    old = RedisEventBus(url, "worker", "n")
    about = {"reply_to": REPLIES, "platform": "web", "channel_id": "c1", "user_id": "u1", "trace_id": "t1"}
    async with (
        sg.connect(url, retention="capped", max_len=100_000, inline_bodies=True) as bus,
        bus.serve_tools(weather),
    ):
        request = {**about, "correlation_id": "7", "tool_name": "weather", "arguments": {"city": "Berlin"}}
        await old.publish_tools_request(request)
        [reply] = await answers(witness, 1)
        assert (reply["correlation_id"], reply["result"]) == ("7", "Berlin: 21 °C")
        await old.publish_tools_request({**request, "correlation_id": "8", "arguments": {"town": 1}})
        wrong = (await answers(witness, 2))[1]
        assert wrong["correlation_id"] == "8"
        assert "city" in str(wrong["error"])
    assert await old.get_pending_count("sg:stream:tools", "sg:tools") == 0
