"""Whatever goes wrong for real has its code, from the table that all languages read.

Each test is named after a row's scenario and looks its code up there.
"""

import time
from typing import Any

import msgpack  # type: ignore[import-untyped]
import pytest
import redis
import stargazer_core as sg
from harness.server import Server
from python.values import load
from stargazer_core import errors

CODES: dict[str, str] = {row["scenario"]: row["code"] for row in load("errors.json")["troubles"]}


def kind(scenario: str) -> type[sg.StargazerError]:
    """The class that a trouble must have."""
    return errors.BY_CODE[CODES[scenario]]


GOOD = {"channel_id": "c1", "platform": "web", "type": "message", "text": "hi"}


async def test_a_field_of_the_wrong_type_is_invalid(bus: sg.Bus) -> None:
    with pytest.raises(kind("a_field_of_the_wrong_type_is_invalid")) as caught:
        await bus.publish_outbound("web", {**GOOD, "text": 5})
    assert caught.value.context["field"] == "text"
    assert caught.value.context["stored"] == "no"
    with pytest.raises(sg.InvalidError):
        await bus.publish_inbound(sg.inbound("web", channel="c", user="u", text="t", timestamp="now"))
    for wrong in (5, None, b"c"):
        with pytest.raises(sg.InvalidError):
            sg.message(wrong, "text")  # type: ignore[arg-type]


async def test_a_missing_field_is_invalid(bus: sg.Bus) -> None:
    inbound = sg.inbound("web", channel="c", user="u", text="t")
    del inbound["message_id"]
    with pytest.raises(kind("a_missing_field_is_invalid")) as caught:
        await bus.publish_inbound(inbound)
    assert caught.value.context["field"] == "message_id"


async def test_an_unknown_type_is_invalid(bus: sg.Bus) -> None:
    with pytest.raises(kind("an_unknown_type_is_invalid")) as caught:
        await bus.publish_outbound("web", {**GOOD, "type": "dance"})
    assert caught.value.context["field"] == "type"


async def test_a_body_over_the_limit_is_too_large(url: str, names: dict[str, Any]) -> None:
    async with sg.connect(url, max_body_bytes=2048, **names) as bus:
        with pytest.raises(kind("a_body_over_the_limit_is_too_large")):
            await bus.publish("s", "x" * 2048)
        await bus.publish("s", "x" * 2000)


async def test_a_body_too_deep_is_too_large(bus: sg.Bus) -> None:
    body: Any = 1
    for _ in range(65):
        body = [body]
    with pytest.raises(kind("a_body_too_deep_is_too_large")):
        await bus.publish("s", body)
    await bus.publish("s", body[0])


async def dead_letters(server: Server, names: dict[str, Any], data: bytes) -> list[sg.Entry]:
    """What becomes of an inbound entry that somebody else wrote."""
    client = redis.Redis.from_url(server.url)
    async with sg.connect(server.url, role="worker", **names) as bus:
        client.xadd(names["inbound_stream"], {"data": data})
        client.close()

        async def handler(body: sg.Inbound) -> None:
            pytest.fail("no handler may see it")

        async with bus.consume_inbound() as inbox:
            await inbox.run(handler, until_idle=True)
        assert (await bus.stream_info(names["inbound_stream"])).length == 0
        return await bus.entries(names["dead_letter_stream"])


async def test_an_entry_that_is_no_msgpack_is_malformed(server: Server, names: dict[str, Any]) -> None:
    [dead] = await dead_letters(server, names, b"\xc1not msgpack")
    assert dead.fields["reason"].decode() == CODES["an_entry_that_is_no_msgpack_is_malformed"]
    assert dead.fields["data"] == b"\xc1not msgpack"
    with pytest.raises(sg.MalformedError):
        _ = dead.data


async def test_an_entry_with_text_that_is_not_utf8_is_malformed(server: Server, names: dict[str, Any]) -> None:
    body = msgpack.packb(dict(sg.inbound("web", channel="c", user="u", text="MARK"))).replace(
        b"MARK", b"\xff\xfe\xfd\xfc"
    )
    [dead] = await dead_letters(server, names, body)
    assert dead.fields["reason"].decode() == CODES["an_entry_with_text_that_is_not_utf8_is_malformed"]


async def test_a_group_of_another_mode_is_a_conflict(bus: sg.Bus) -> None:
    async with bus.consume("s", "g", ordering="lanes") as first, bus.consume("s", "g", ordering="none") as second:
        with pytest.raises(sg.TimeoutError):
            await first.next(timeout=0)
        with pytest.raises(kind("a_group_of_another_mode_is_a_conflict")):
            await second.next(timeout=1)


async def test_a_closed_bus_says_so(url: str, names: dict[str, Any]) -> None:
    bus = await sg.connect(url, **names)
    await bus.close()
    consumer = bus.consume("s", "g")
    calls = [bus.publish("s", 1), bus.publish_inbound({}), bus.stream_info("s"), bus.entries("s"), consumer.next()]
    for call in calls:
        with pytest.raises(kind("a_closed_bus_says_so")):
            await call
    await bus.close()


async def test_an_unreachable_server_is_unavailable(names: dict[str, Any]) -> None:
    started = time.monotonic()
    with pytest.raises(kind("an_unreachable_server_is_unavailable")):
        await sg.connect("redis://127.0.0.1:1", connect_timeout=0.2, **names)
    assert time.monotonic() - started < 3
    for wrong in ("127.0.0.1", "http://127.0.0.1", ""):
        with pytest.raises(sg.InvalidError):
            await sg.connect(wrong)


async def test_a_wrong_password_is_an_auth_error(server: Server) -> None:
    address = server.url.removeprefix("redis://")
    with pytest.raises(kind("a_wrong_password_is_an_auth_error")) as caught:
        await sg.connect(f"redis://nobody:secret@{address}", connect_timeout=5)
    assert "secret" not in str(caught.value)


async def test_a_full_stream_refuses_a_publish(url: str, names: dict[str, Any]) -> None:
    async with sg.connect(url, cap=10, strict_cap=True, publish_timeout=0.1, **names) as bus:
        await bus.ensure_streams("worker")
        envelope = sg.inbound("web", channel="c", user="u", text="t")
        for _ in range(10):
            await bus.publish_inbound(envelope)
        with pytest.raises(kind("a_full_stream_refuses_a_publish")) as caught:
            await bus.publish_inbound(envelope)
        assert caught.value.context["stored"] == "no"
        assert caught.value.retryable
        assert (await bus.stream_info(names["inbound_stream"])).length == 10
        async with bus.consume_inbound() as inbox:
            (await inbox.next(timeout=5)).ack()
        await bus.publish_inbound(envelope)


async def test_a_settle_of_a_stale_session_is_refused(server: Server, names: dict[str, Any]) -> None:
    client: Any = redis.Redis.from_url(server.url)
    async with sg.connect(server.url, **names) as bus:
        await bus.publish("s", 1)
        async with bus.consume("s", "g") as consumer:
            delivery = await consumer.next(timeout=5)
            # Somebody took the identity over: another fence is in force.
            consumers = f"{names['stream_prefix']}:s:g:consumers"
            [identity] = [name for name in client.hgetall(consumers) if not name.startswith(b"#")]
            client.hset(consumers, identity, "99:other")
            client.close()
            with pytest.raises(kind("a_settle_of_a_stale_session_is_refused")):
                await delivery.bus.publish("other", 1)
            delivery.ack()
            with pytest.raises(kind("a_settle_of_a_stale_session_is_refused")):
                await consumer.next(timeout=5)
        with pytest.raises(sg.NotFoundError):
            await bus.stream_info("other")


async def test_an_address_may_stand_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REDIS_URL", raising=False)
    with pytest.raises(sg.InvalidError, match="REDIS_URL"):
        await sg.connect()
    monkeypatch.setenv("REDIS_URL", "memory://")
    monkeypatch.setenv("SG_INBOUND_STREAM", "from:the:environment")
    async with sg.connect(role="worker", inbound_stream="from:the:program") as bus:
        assert (await bus.stream_info("from:the:environment")).length == 0


async def test_arguments_of_the_wrong_type_are_named(bus: sg.Bus) -> None:
    consumer = bus.consume("s", "g")
    wrong: list[tuple[Any, str]] = [
        (consumer.next(timeout="1"), "timeout"),  # type: ignore[arg-type]
        (consumer.next(timeout=-1), "timeout"),
        (consumer.next(timeout=float("nan")), "timeout"),
        (consumer.next_batch(-1), "n"),
        (consumer.next_batch(0), "n"),
        (consumer.next_batch(1.5), "n"),  # type: ignore[arg-type]
        (consumer.next_batch(2**70), "n"),
        (bus.entries("s", count=-1), "count"),
        (bus.entries("s", count="1"), "count"),  # type: ignore[arg-type]
    ]
    for call, name in wrong:
        with pytest.raises(sg.InvalidError) as raised:
            await call
        assert raised.value.context["argument"] == name
    for after in (-1, float("nan"), "1"):
        with pytest.raises(sg.InvalidError):
            sg.Outcome.retry(after)  # type: ignore[arg-type]
