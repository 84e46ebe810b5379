"""``ProxyPlatformAdapter``: what is documented of the original's, and redis-py reading what it publishes."""

import asyncio
import base64
import inspect
from typing import Any

import msgpack  # type: ignore[import-untyped]
import pytest
import stargazer_core as sg
from stargazer_core.compat import OutboundStreamConsumer, ProxyPlatformAdapter, RedisEventBus

STREAM = "sg:stream:outbound:web"


@pytest.fixture
def bus(url: str) -> RedisEventBus:
    return RedisEventBus(url, "worker", "n")


def published(witness: Any) -> list[dict[str, Any]]:
    return [msgpack.unpackb(fields[b"data"]) for _, fields in witness.xrange(STREAM)]


def test_the_signature_is_event_bus_platform_and_trace_id() -> None:
    parameters = inspect.signature(ProxyPlatformAdapter).parameters
    assert list(parameters) == ["event_bus", "platform", "trace_id"]
    assert parameters["trace_id"].default is None


def test_the_constructor_has_no_side_effects() -> None:
    proxy = ProxyPlatformAdapter(RedisEventBus("redis://127.0.0.1:1", "worker", "n"), "web", "t1")
    assert (proxy.name, proxy.is_running) == ("web", True)


async def test_send_serializes_a_message_envelope_with_extra_arguments_that_are_not_none(
    bus: RedisEventBus, witness: Any
) -> None:
    proxy = ProxyPlatformAdapter(bus, "web")
    entry = await proxy.send("c1", "hello", reply_to="m1", nothing=None)
    assert [entry_id.decode() for entry_id, _ in witness.xrange(STREAM)] == [entry]
    [said] = published(witness)
    assert (said["type"], said["platform"], said["channel_id"], said["text"]) == ("message", "web", "c1", "hello")
    assert said["reply_to"] == "m1"
    assert "nothing" not in said
    assert not said.get("message_key"), "a key is stamped only when there is a trace id"


async def test_message_keys_are_derived_from_the_trace_id_and_a_counter_per_action_type(
    bus: RedisEventBus, witness: Any
) -> None:
    def keys() -> list[str]:
        return [said["message_key"] for said in published(witness)]

    proxy = ProxyPlatformAdapter(bus, "web", "t1")
    await proxy.send("c1", "a")
    await proxy.send("c1", "b")
    await proxy.typing("c1")
    first = keys()
    assert len(set(first)) == 3
    assert all(key.startswith("t1:") for key in first)
    assert {said["trace_id"] for said in published(witness)} == {"t1"}
    # A turn that runs again says the same under the same keys, which are stored once.
    again = ProxyPlatformAdapter(bus, "web", "t1")
    await again.send("c1", "a")
    await again.send("c1", "b")
    await again.send("c1", "c")
    assert keys()[:3] == first
    assert [said["text"] for said in published(witness) if said["type"] == "message"] == ["a", "b", "c"]


async def test_every_action_has_its_type(bus: RedisEventBus, witness: Any) -> None:
    proxy = ProxyPlatformAdapter(bus, "web")
    await proxy.send_file("c1", b"\x00\xff", "a.bin", "application/x-test")
    await proxy.send_with_buttons("c1", "choose", [{"label": "A", "custom_id": "a", "emoji": "👍"}, ("B", "b")])
    await proxy.react("c1", "m1", "👍")
    await proxy.typing("c1")
    await proxy.presence("busy", emoji="🔥")
    file, buttons, reaction, typing, presence = published(witness)
    assert [each["type"] for each in (file, buttons, reaction, typing, presence)] == [
        "file",
        "buttons",
        "reaction",
        "typing",
        "presence",
    ]
    assert (file["filename"], file["mimetype"], base64.b64decode(file["data"])) == (
        "a.bin",
        "application/x-test",
        b"\x00\xff",
    )
    assert [button["label"] for button in buttons["view"]] == ["A", "B"]
    assert (reaction["message_id"], reaction["emoji"]) == ("m1", "👍")
    assert (presence["text"], presence["emoji"]) == ("busy", "🔥")


async def test_what_a_proxy_says_reaches_the_original_s_consumer_of_a_gateway(
    bus: RedisEventBus, url: str, witness: Any
) -> None:
    seen: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    gateway = OutboundStreamConsumer(url, "gateway-1", seen.put, ["web"])
    await gateway.start()
    await ProxyPlatformAdapter(bus, "web", "t1").send("c1", "hello")
    said = await asyncio.wait_for(seen.get(), 20)
    assert (said["type"], said["text"]) == ("message", "hello")
    await gateway.stop()


async def test_what_is_asked_without_a_gateway_of_ours_says_so(bus: RedisEventBus) -> None:
    proxy = ProxyPlatformAdapter(bus, "web")
    asking = (proxy.fetch_history("c1"), proxy.is_channel_valid("c1"), proxy.should_skip_channel_heartbeat("c1"))
    answers = await asyncio.gather(*asking, return_exceptions=True)
    assert [type(answer) for answer in answers] == [sg.NoWorkerError] * 3
