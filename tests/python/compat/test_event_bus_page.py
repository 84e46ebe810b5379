"""``RedisEventBus``: each test's name is a sentence of the original's documentation, or a clause of one."""

import inspect
import logging
from typing import Any

import msgpack  # type: ignore[import-untyped]
import pytest
import redis
import redis.asyncio
import stargazer_core as sg
from harness.server import Server
from stargazer_core.compat import RedisEventBus, deserialize_stream_payload

INBOUND, OUTBOUND, TOOLS = "sg:stream:inbound", "sg:stream:outbound", "sg:stream:tools"

#: Every key that the original declares, in its order.
MESSAGE: dict[str, Any] = {
    "channel_key": "discord:c1",
    "platform": "discord",
    "channel_id": "c1",
    "user_id": "u1",
    "username": "ann",
    "display_name": None,
    "content": "Grüße 👍",
    "message_id": "m1",
    "timestamp": 1_700_000_000.0,
    "attachments": [{"data": "aGk=", "mimetype": "text/plain", "filename": "a.txt", "source_url": ""}],
    "reply_to": None,
    "embeds": None,
    "room_name": "general",
    "is_dm": False,
    "guild_id": None,
    "member_roles": ["mod"],
    "trace_id": "t1",
    "enqueued_at": 0.0,
    "is_addressed": True,
    "strangler_route": "microservice",
    "user_aliases": ["discord:u1"],
    "unified_user_id": None,
    "reactions": "👍×3",
}


@pytest.fixture
def bus(url: str) -> RedisEventBus:
    return RedisEventBus(url, "standalone", "n1")


def only_entry(witness: Any, stream: str) -> tuple[bytes, dict[bytes, bytes]]:
    [(entry_id, fields)] = witness.xrange(stream)
    return entry_id, fields


def streams(witness: Any) -> list[str]:
    return sorted(key.decode() for key in witness.scan_iter(_type="stream"))


def groups(witness: Any, stream: str) -> dict[bytes, bytes]:
    return {group["name"]: group["last-delivered-id"] for group in witness.xinfo_groups(stream)}


def test_the_signature_is_redis_node_role_node_id_and_stream_maxlen_by_keyword() -> None:
    parameters = inspect.signature(RedisEventBus).parameters
    assert list(parameters) == ["redis", "node_role", "node_id", "stream_maxlen"]
    assert parameters["stream_maxlen"].default == 100_000
    assert parameters["stream_maxlen"].kind is inspect.Parameter.KEYWORD_ONLY


def test_every_method_is_a_coroutine_with_the_parameters_of_the_page() -> None:
    methods = {
        "ensure_streams": ["platforms"],
        "publish_inbound": ["envelope"],
        "publish_outbound": ["platform", "envelope"],
        "publish_tools_request": ["envelope"],
        "publish_tools_reply": ["reply_stream", "envelope"],
        "get_stream_info": ["stream"],
        "get_pending_count": ["stream", "group"],
    }
    for name, parameters in methods.items():
        method = getattr(RedisEventBus, name)
        assert inspect.iscoroutinefunction(method), name
        assert list(inspect.signature(method).parameters) == ["self", *parameters]
    assert inspect.signature(RedisEventBus.ensure_streams).parameters["platforms"].default is None


def test_values_below_1000_are_clamped_up_to_1000() -> None:
    for given, kept in ((0, 1000), (-5, 1000), (999, 1000), (1000, 1000), (1001, 1001)):
        assert RedisEventBus("redis://localhost", "worker", "n", stream_maxlen=given).stream_maxlen == kept
    assert RedisEventBus("redis://localhost", "worker", "n").stream_maxlen == 100_000


def test_it_is_a_pure_in_memory_initializer_and_opens_no_connections() -> None:
    # Nobody listens there, and there is no loop to do anything in.
    bus = RedisEventBus("redis://127.0.0.1:1", "gateway", "n1")
    assert (bus.node_role, bus.node_id) == ("gateway", "n1")


async def test_the_role_decides_which_groups_ensure_streams_creates(url: str, witness: Any) -> None:
    await RedisEventBus(url, "worker", "n").ensure_streams(["discord"])
    assert streams(witness) == [INBOUND]
    assert groups(witness, INBOUND) == {b"sg:workers": b"0-0"}
    await RedisEventBus(url, "gateway", "n").ensure_streams(["discord", "matrix"])
    assert streams(witness) == [INBOUND, f"{OUTBOUND}:discord", f"{OUTBOUND}:matrix"]
    assert groups(witness, f"{OUTBOUND}:discord") == {b"sg:gateway:discord": b"0-0"}
    witness.flushdb()
    await RedisEventBus(url, "standalone", "n").ensure_streams(["web"])
    assert streams(witness) == [INBOUND, f"{OUTBOUND}:web"]


async def test_without_platforms_only_the_shared_streams_are_made(url: str, witness: Any) -> None:
    await RedisEventBus(url, "gateway", "n").ensure_streams()
    assert streams(witness) == []
    await RedisEventBus(url, "standalone", "n").ensure_streams()
    assert streams(witness) == [INBOUND]


async def test_ensure_streams_uses_mkstream_and_leaves_a_group_that_exists(bus: RedisEventBus, witness: Any) -> None:
    witness.xgroup_create(INBOUND, "sg:workers", id="$", mkstream=True)
    witness.xadd(INBOUND, {"data": b""})
    witness.xreadgroup("sg:workers", "c", {INBOUND: ">"})
    before = groups(witness, INBOUND)
    for _ in range(2):
        await bus.ensure_streams(["web"])
    assert groups(witness, INBOUND) == before
    assert witness.xlen(f"{OUTBOUND}:web") == 0


async def test_stream_and_group_names_are_resolved_from_environment_variables(
    url: str, witness: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SG_INBOUND_STREAM", "my:in")
    monkeypatch.setenv("SG_OUTBOUND_STREAM_PREFIX", "my:out")
    monkeypatch.setenv("SG_WORKER_GROUP", "my-workers")
    monkeypatch.setenv("SG_GATEWAY_GROUP_PREFIX", "my-gateway")
    bus = RedisEventBus(url, "standalone", "n")
    await bus.ensure_streams(["web"])
    await bus.publish_inbound(MESSAGE)
    await bus.publish_outbound("web", {"type": "message"})
    assert groups(witness, "my:in") == {b"my-workers": b"0-0"}
    assert groups(witness, "my:out:web") == {b"my-gateway:web": b"0-0"}
    assert (witness.xlen("my:in"), witness.xlen("my:out:web")) == (1, 1)


async def test_publish_inbound_publishes_to_the_worker_stream_and_returns_the_message_id(
    bus: RedisEventBus, witness: Any
) -> None:
    message_id = await bus.publish_inbound(MESSAGE)
    entry_id, fields = only_entry(witness, INBOUND)
    assert isinstance(message_id, str)
    assert message_id == entry_id.decode()
    assert fields[b"data"] == msgpack.packb(MESSAGE, use_bin_type=True)
    assert fields[b"trace_id"] == b"t1"
    assert float(fields[b"ts"]) > 1_700_000_000


async def test_envelopes_are_msgpack_framed_before_they_hit_the_wire(bus: RedisEventBus, witness: Any) -> None:
    odd: dict[str, Any] = {"z": [1, -1, 2**40, 1.5, None, True], "a": {"raw": b"\x00\xff", "text": "é"}, "": ()}
    await bus.publish_inbound(odd)
    fields = only_entry(witness, INBOUND)[1]
    assert fields[b"data"] == msgpack.packb(odd, use_bin_type=True)
    assert msgpack.unpackb(fields[b"data"]) == {**odd, "": []}


async def test_an_envelope_goes_out_as_it_is_given(bus: RedisEventBus, witness: Any) -> None:
    # Neither is one of ours: not checked, and nothing filled in.
    await bus.publish_inbound({"hello": 1})
    await bus.publish_outbound("web", {"type": "unheard of", "platform": "another"})
    assert msgpack.unpackb(only_entry(witness, INBOUND)[1][b"data"]) == {"hello": 1}
    sent = msgpack.unpackb(only_entry(witness, f"{OUTBOUND}:web")[1][b"data"])
    assert sent == {"type": "unheard of", "platform": "another"}


async def test_publish_outbound_publishes_to_the_platform_specific_stream(bus: RedisEventBus, witness: Any) -> None:
    envelope = {"type": "message", "channel_id": "c1", "platform": "discord", "text": "hi", "trace_id": "t2"}
    message_id = await bus.publish_outbound("discord", envelope)
    entry_id, fields = only_entry(witness, f"{OUTBOUND}:discord")
    assert message_id == entry_id.decode()
    assert msgpack.unpackb(fields[b"data"]) == envelope
    assert fields[b"trace_id"] == b"t2"


async def test_publish_tools_request_goes_to_the_shared_tools_stream(bus: RedisEventBus, witness: Any) -> None:
    request = {"reply_to": "sg:tools:reply:w1", "correlation_id": "7", "tool": "weather", "args": {"city": "Berlin"}}
    message_id = await bus.publish_tools_request(request)
    entry_id, fields = only_entry(witness, TOOLS)
    assert message_id == entry_id.decode()
    assert msgpack.unpackb(fields[b"data"]) == request


async def test_publish_tools_reply_goes_onto_the_reply_stream_and_preserves_raw_media_bytes(
    bus: RedisEventBus, witness: Any
) -> None:
    reply = {"correlation_id": "7", "output": "done", "writeback": {"sent_files": [{"data": bytes(range(256))}]}}
    message_id = await bus.publish_tools_reply("sg:tools:reply:w1", reply)
    entry_id, fields = only_entry(witness, "sg:tools:reply:w1")
    assert message_id == entry_id.decode()
    assert msgpack.unpackb(fields[b"data"]) == reply


async def test_stream_maxlen_is_an_approximate_number_of_entries_to_retain(url: str, witness: Any) -> None:
    bus = RedisEventBus(url, "worker", "n", stream_maxlen=1000)
    for _ in range(1500):
        await bus.publish_inbound({"n": 1})
    # Trimmed by whole nodes of 100, read or not.
    assert 1000 <= witness.xlen(INBOUND) < 1200


async def test_the_reply_stream_is_capped_tighter_than_the_request_stream(bus: RedisEventBus, witness: Any) -> None:
    for _ in range(1500):
        await bus.publish_tools_reply("sg:tools:reply:w1", {"correlation_id": "1", "result": ""})
    assert 1000 <= witness.xlen("sg:tools:reply:w1") < 1200
    assert bus.stream_maxlen == 100_000


async def test_get_stream_info_surfaces_the_mapping_of_xinfo_stream(bus: RedisEventBus, witness: Any) -> None:
    await bus.ensure_streams(["web"])
    for n in range(3):
        await bus.publish_inbound({"n": n})
    seen = await bus.get_stream_info(INBOUND)
    raw = witness.execute_command("XINFO STREAM", INBOUND)
    assert set(seen) == {"length", "last-generated-id", "groups", "first-entry", "last-entry"}
    for name, value in seen.items():
        assert value == (raw[name] if not name.endswith("-entry") else tuple(raw[name])), name
    assert (await bus.get_stream_info(f"{OUTBOUND}:web"))["first-entry"] is None


async def test_the_last_entry_of_a_stream_whose_last_was_deleted_is_not_known(bus: RedisEventBus, witness: Any) -> None:
    await bus.publish_inbound({"n": 1})
    witness.xdel(INBOUND, await bus.publish_inbound({"n": 2}))
    assert (await bus.get_stream_info(INBOUND))["last-entry"] is None


async def test_any_error_of_get_stream_info_is_reported_as_an_empty_dict(bus: RedisEventBus, witness: Any) -> None:
    assert await bus.get_stream_info("no:such:stream") == {}
    witness.set("a:text", "x")
    assert await bus.get_stream_info("a:text") == {}
    assert await bus.get_stream_info("") == {}
    assert await RedisEventBus(None, "worker", "n").get_stream_info(INBOUND) == {}


async def test_get_pending_count_reports_what_was_read_and_not_yet_acknowledged(
    bus: RedisEventBus, witness: Any
) -> None:
    await bus.ensure_streams(["web"])
    for n in range(5):
        await bus.publish_inbound({"n": n})
    assert await bus.get_pending_count(INBOUND, "sg:workers") == 0
    [[_, entries]] = witness.xreadgroup("sg:workers", "c", {INBOUND: ">"}, count=3)
    assert await bus.get_pending_count(INBOUND, "sg:workers") == 3
    witness.xack(INBOUND, "sg:workers", entries[0][0])
    assert await bus.get_pending_count(INBOUND, "sg:workers") == 2


async def test_errors_of_get_pending_count_are_reported_as_0(bus: RedisEventBus) -> None:
    assert await bus.get_pending_count("no:such:stream", "sg:workers") == 0
    await bus.publish_inbound({})
    assert await bus.get_pending_count(INBOUND, "no-such-group") == 0
    assert await RedisEventBus(None, "worker", "n").get_pending_count(INBOUND, "g") == 0


async def test_a_stream_without_a_colon_is_looked_at_under_its_own_name(bus: RedisEventBus, witness: Any) -> None:
    witness.xadd("plain", {"data": b"x"})
    assert (await bus.get_stream_info("plain"))["length"] == 1


async def test_probes_of_a_server_that_is_gone_answer_and_publishing_raises(own_server: Server) -> None:
    bus = RedisEventBus(own_server.url, "worker", "n")
    await bus.publish_inbound({"n": 1})
    own_server.kill()
    assert await bus.get_stream_info(INBOUND) == {}
    assert await bus.get_pending_count(INBOUND, "sg:workers") == 0
    with pytest.raises(sg.UnavailableError):
        await bus.publish_inbound({"n": 2})
    own_server.restart()
    await bus.publish_inbound({"n": 3})
    assert (await bus.get_stream_info(INBOUND))["length"] == 2
    await bus.aclose()


async def test_eviction_risk_is_told_once_per_streak_from_80_percent_on(
    url: str, witness: Any, caplog: pytest.LogCaptureFixture
) -> None:
    def told() -> int:
        return sum("are pending" in record.message for record in caplog.records)

    caplog.set_level(logging.WARNING, "stargazer_core.compat")
    bus = RedisEventBus(url, "worker", "node-7", stream_maxlen=1000)
    await bus.ensure_streams()
    for _ in range(900):
        await bus.publish_inbound({})
    entries = [entry_id for entry_id, _ in witness.xreadgroup("sg:workers", "c", {INBOUND: ">"}, count=799)[0][1]]
    await bus.publish_inbound({})
    assert told() == 0
    entries += [entry_id for entry_id, _ in witness.xreadgroup("sg:workers", "c", {INBOUND: ">"}, count=1)[0][1]]
    for _ in range(3):
        await bus.publish_inbound({})
    assert told() == 1
    assert caplog.records[-1].__dict__["node_id"] == "node-7"
    witness.xack(INBOUND, "sg:workers", *entries[:100])
    await bus.publish_inbound({})
    witness.xreadgroup("sg:workers", "c", {INBOUND: ">"}, count=100)
    await bus.publish_inbound({})
    assert told() == 2


@pytest.mark.parametrize("group", ["sg:gateway:web", "stargazer_gateways"])
async def test_the_backlog_of_a_gateway_is_seen_in_either_of_its_groups(
    url: str, witness: Any, caplog: pytest.LogCaptureFixture, group: str
) -> None:
    bus = RedisEventBus(url, "gateway", "n", stream_maxlen=1000)
    witness.xgroup_create(f"{OUTBOUND}:web", group, id="0", mkstream=True)
    for _ in range(850):
        await bus.publish_outbound("web", {})
    witness.xreadgroup(group, "c", {f"{OUTBOUND}:web": ">"}, count=800)
    await bus.publish_outbound("web", {})
    assert f"are pending in {group}" in caplog.text


async def test_what_a_client_of_redis_py_wrote_is_read_back_from_our_bytes(bus: RedisEventBus, witness: Any) -> None:
    await bus.publish_inbound(MESSAGE)
    assert deserialize_stream_payload(only_entry(witness, INBOUND)[1][b"data"]) == MESSAGE


async def test_the_client_passed_in_is_only_asked_for_its_settings(
    client: redis.asyncio.Redis, witness: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def poisoned(*_: object, **__: object) -> None:
        raise AssertionError("redis-py opened a connection")

    monkeypatch.setattr("redis.asyncio.connection.AbstractConnection.connect", poisoned)
    bus = RedisEventBus(client, "standalone", "n")
    await bus.ensure_streams(["web"])
    await bus.publish_inbound(MESSAGE)
    assert witness.xlen(INBOUND) == 1


async def test_nothing_can_be_published_without_a_server() -> None:
    with pytest.raises(sg.InvalidError) as caught:
        await RedisEventBus(None, "worker", "n").publish_inbound({})
    assert caught.value.context["argument"] == "redis"


async def test_an_unknown_role_is_refused_where_it_matters(url: str) -> None:
    with pytest.raises(sg.InvalidError):
        await RedisEventBus(url, "nonsense", "n").ensure_streams(["web"])


async def test_the_package_s_own_bus_stands_behind_it(bus: RedisEventBus) -> None:
    await bus.publish_inbound(MESSAGE)
    own = await bus.bus()
    assert (await own.stream_info(own.topology.inbound_stream)).length == 1
    await bus.aclose()
    with pytest.raises(sg.ClosedError):
        await own.stream_info("x")
    assert (await bus.get_stream_info(INBOUND))["length"] == 1, "what is used later connects anew"
