"""``RedisPlatformAdapter``: each test's name is a sentence of the original's page, and redis-py looks at the server."""

import asyncio
import base64
import inspect
import json
import logging
from datetime import datetime
from types import SimpleNamespace
from typing import Any

import pytest
import pytest_asyncio
import redis.asyncio
import stargazer_core as sg
from stargazer_core import compat
from stargazer_core.compat import RedisPlatformAdapter

INSTANCES, META, USERS = "redis_platform:instances", "redis_platform:meta:", "redis_platform:users:"
CHANNEL = "stargazer:redis_platform:response:"


class Handler:
    """A message handler that keeps what it was given."""

    def __init__(self) -> None:
        self.seen: list[tuple[Any, Any]] = []

    async def __call__(self, message: Any, adapter: Any) -> None:
        self.seen.append((message, adapter))


@pytest.fixture
def handler() -> Handler:
    return Handler()


@pytest_asyncio.fixture
async def adapter(url: str, handler: Handler) -> RedisPlatformAdapter:
    adapter = RedisPlatformAdapter(handler, SimpleNamespace(redis_url=url))
    await adapter.start()
    return adapter


@pytest_asyncio.fixture
async def alone(handler: Handler) -> RedisPlatformAdapter:
    """Without a server."""
    adapter = RedisPlatformAdapter(handler)
    await adapter.start()
    return adapter


def texts(fields: dict[bytes, bytes]) -> dict[str, str]:
    return {name.decode(): value.decode() for name, value in fields.items()}


def listening(witness: Any, instance: str) -> Any:
    listener = witness.pubsub(ignore_subscribe_messages=True)
    listener.subscribe(CHANNEL + instance)
    listener.get_message(timeout=5)
    return listener


async def heard(listener: Any) -> Any:
    async with asyncio.timeout(10):
        while not (message := listener.get_message()):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    return json.loads(message["data"])


def test_the_signatures_are_those_of_the_page() -> None:
    signatures = {
        "__init__": "message_handler, config=None, **kwargs",
        "create_instance": "instance_id=None, display_name='', api_key=None, metadata=None",
        "validate_api_key": "instance_id, api_key",
        "instance_exists": "instance_id",
        "list_instances": "",
        "get_instance_meta": "instance_id",
        "update_instance_meta": "instance_id, display_name=None, metadata=None",
        "register_user": "instance_id, user_id, display_name, metadata=None",
        "list_users": "instance_id",
        "get_user": "instance_id, user_id",
        "delete_user": "instance_id, user_id",
        "user_exists": "instance_id, user_id",
        "has_users": "instance_id",
        "delete_instance": "instance_id",
        "inject_message": "instance_id, text, user_id, user_name='', *, is_addressed=True, attachments=None, "
        "channel_name='', message_id='', reply_to_id='', extra=None, reactions='', response_nonce=''",
        "is_channel_valid": "channel_id",
        "send": "channel_id, text",
        "send_file": "channel_id, data, filename, mimetype='application/octet-stream'",
        "fetch_history": "channel_id, limit=100",
        "should_skip_channel_heartbeat": "channel_id",
    }
    for name, expected in signatures.items():
        parameters = list(inspect.signature(getattr(RedisPlatformAdapter, name)).parameters.values())[1:]
        bare = [parameter.replace(annotation=inspect.Parameter.empty) for parameter in parameters]
        assert str(inspect.Signature(bare)) == f"({expected})", name


async def test_the_client_is_created_lazily_and_until_start_it_is_not_running(
    url: str, witness: Any, handler: Handler
) -> None:
    before = len(witness.client_list())
    adapter = RedisPlatformAdapter(handler, SimpleNamespace(redis_url=url), anything=1)
    assert not adapter.is_running
    assert await adapter.list_instances() == []
    await adapter.start()
    assert adapter.is_running
    assert len(witness.client_list()) == before
    await adapter.create_instance("a")
    await adapter.stop()
    assert not adapter.is_running
    assert not await adapter.instance_exists("a")
    await adapter.stop()
    await adapter.start()
    assert await adapter.instance_exists("a"), "a later restart reconnects cleanly"


async def test_start_prefers_build_async_redis_client_of_the_config(
    client: redis.asyncio.Redis, witness: Any, handler: Handler
) -> None:
    config = SimpleNamespace(build_async_redis_client=lambda: client, redis_url="redis://127.0.0.1:1")
    adapter = RedisPlatformAdapter(handler, config)
    await adapter.start()
    await adapter.create_instance("a")
    assert witness.sismember(INSTANCES, "a")


async def test_when_nothing_is_configured_a_warning_is_logged_and_it_is_running_all_the_same(
    handler: Handler, caplog: pytest.LogCaptureFixture
) -> None:
    for config in (None, SimpleNamespace(redis_url=None), SimpleNamespace(build_async_redis_client=lambda: None)):
        caplog.clear()
        adapter = RedisPlatformAdapter(handler, config)
        await adapter.start()
        assert adapter.is_running
        assert [record.levelno for record in caplog.records] == [logging.WARNING]


async def test_the_fixed_properties(adapter: RedisPlatformAdapter) -> None:
    assert adapter.name == "redis"
    assert adapter.bot_identity == {"platform": "redis", "user_id": "star", "display_name": "Star"}
    assert await adapter.should_skip_channel_heartbeat("any") is True
    assert await adapter.fetch_history("any") == []
    assert await adapter.fetch_history("any", limit=5) == []


async def test_create_instance_mints_id_and_key_and_writes_set_and_hash(
    adapter: RedisPlatformAdapter, witness: Any
) -> None:
    made = await adapter.create_instance()
    assert sorted(made) == ["api_key", "instance_id"]
    assert len(made["instance_id"]) == 16
    int(made["instance_id"], 16)
    assert len(made["api_key"]) >= 32
    assert witness.smembers(INSTANCES) == {made["instance_id"].encode()}
    meta = texts(witness.hgetall(META + made["instance_id"]))
    assert sorted(meta) == ["api_key", "created_at", "display_name"]
    assert meta["api_key"] == made["api_key"], "the original reads it in clear"
    assert meta["display_name"] == made["instance_id"], "defaults to the id itself when empty"
    assert datetime.fromisoformat(meta["created_at"]).utcoffset() is not None


async def test_metadata_is_stored_as_top_level_hash_fields_keys_and_values_stringified(
    adapter: RedisPlatformAdapter, witness: Any
) -> None:
    made = await adapter.create_instance("demo", "Demo", "my-own-key-of-some-length", {"owner": "ann", "tier": 3})
    assert made == {"instance_id": "demo", "api_key": "my-own-key-of-some-length"}
    meta = texts(witness.hgetall(META + "demo"))
    assert (meta["owner"], meta["tier"], meta["display_name"]) == ("ann", "3", "Demo")


async def test_validate_api_key_is_false_rather_than_raising_for_what_does_not_exist(
    adapter: RedisPlatformAdapter, alone: RedisPlatformAdapter, witness: Any
) -> None:
    made = await adapter.create_instance("demo")
    assert await adapter.validate_api_key("demo", made["api_key"])
    assert not await adapter.validate_api_key("demo", "wrong")
    assert not await adapter.validate_api_key("unknown", made["api_key"])
    witness.hdel(META + "demo", "api_key")
    assert not await adapter.validate_api_key("demo", made["api_key"])
    assert not await alone.validate_api_key("demo", "x")


async def test_an_instance_that_the_original_wrote_is_known_with_its_key_in_clear(
    adapter: RedisPlatformAdapter, witness: Any
) -> None:
    witness.sadd(INSTANCES, "old")
    fields = {"api_key": "secret", "display_name": "Old", "created_at": "2026-01-01T00:00:00+00:00", "x": "1"}
    witness.hset(META + "old", mapping=fields)
    assert await adapter.validate_api_key("old", "secret")
    shown = {"display_name": "Old", "created_at": "2026-01-01T00:00:00+00:00", "x": "1", "instance_id": "old"}
    assert await adapter.get_instance_meta("old") == shown
    assert await adapter.list_instances() == [shown]
    user = {"user_id": "u", "display_name": "Ann", "metadata": {}, "registered_at": "2026-01-01T00:00:00+00:00"}
    witness.hset(USERS + "old", "u", json.dumps(user))
    assert await adapter.get_user("old", "u") == user


async def test_list_instances_strips_the_key_stamps_the_id_and_sorts_by_id(adapter: RedisPlatformAdapter) -> None:
    for name in ("b", "a", "c"):
        await adapter.create_instance(name, metadata={"n": name})
    rows = await adapter.list_instances()
    assert [row["instance_id"] for row in rows] == ["a", "b", "c"]
    assert all("api_key" not in row and row["n"] == row["instance_id"] for row in rows)


async def test_get_instance_meta_is_none_if_absent(adapter: RedisPlatformAdapter, alone: RedisPlatformAdapter) -> None:
    assert await adapter.get_instance_meta("unknown") is None
    assert await alone.get_instance_meta("unknown") is None


async def test_update_leaves_the_key_and_creation_stamp_untouched(adapter: RedisPlatformAdapter, witness: Any) -> None:
    await adapter.create_instance("a", "A", metadata={"x": "1", "y": "2"})
    before = texts(witness.hgetall(META + "a"))
    assert await adapter.update_instance_meta("a")
    assert texts(witness.hgetall(META + "a")) == before, "a no-op"
    assert await adapter.update_instance_meta("a", display_name="B", metadata={"x": 5})
    assert texts(witness.hgetall(META + "a")) == {**before, "display_name": "B", "x": "5"}
    assert not await adapter.update_instance_meta("unknown", display_name="B")


async def test_a_user_is_a_json_record_in_the_users_hash(adapter: RedisPlatformAdapter, witness: Any) -> None:
    await adapter.create_instance("a")
    record = await adapter.register_user("a", "u1", "Ann", {"age": 3, "tags": ["x"]})
    assert record["user_id"] == "u1"
    assert (record["display_name"], record["metadata"]) == ("Ann", {"age": 3, "tags": ["x"]})
    assert datetime.fromisoformat(record["registered_at"]).utcoffset() is not None
    assert json.loads(witness.hget(USERS + "a", "u1")) == record
    assert await adapter.get_user("a", "u1") == record
    again = await adapter.register_user("a", "u1", "Anna")
    assert await adapter.list_users("a") == [again], "replacing any prior entry for that user"


async def test_a_broken_user_is_skipped_in_the_list_and_not_found_alone(
    adapter: RedisPlatformAdapter, witness: Any
) -> None:
    await adapter.create_instance("a")
    good = await adapter.register_user("a", "good", "G")
    witness.hset(USERS + "a", "bad", "{")
    assert await adapter.list_users("a") == [good]
    assert await adapter.get_user("a", "bad") is None
    assert await adapter.user_exists("a", "bad"), "without deserializing the record"


async def test_delete_user_reports_whether_anything_was_removed(adapter: RedisPlatformAdapter) -> None:
    await adapter.create_instance("a")
    assert not await adapter.has_users("a")
    await adapter.register_user("a", "u", "U")
    assert await adapter.has_users("a")
    assert await adapter.delete_user("a", "u")
    assert not await adapter.delete_user("a", "u")
    assert not await adapter.user_exists("a", "u")


async def test_delete_instance_purges_its_state(adapter: RedisPlatformAdapter, witness: Any) -> None:
    await adapter.create_instance("a")
    await adapter.register_user("a", "u", "U")
    await adapter.send("a", "hello")
    witness.zadd("channel_msgs:redis:a", {"m": 1})
    result = await adapter.delete_instance("a")
    assert (result["instance_id"], result["warnings"]) == ("a", [])
    left = [key.decode() for key in witness.scan_iter() if b"sg:" not in key]
    assert left == []
    assert "unknown_instance" in (await adapter.delete_instance("a"))["warnings"]


async def test_inject_message_forwards_it_to_the_message_handler_and_returns_its_id(
    adapter: RedisPlatformAdapter, handler: Handler
) -> None:
    await adapter.create_instance("a")
    attachment = SimpleNamespace(data=b"\x00", mimetype="image/png", filename="a.png", source_url="")
    message_id = await adapter.inject_message(
        "a",
        "Berlin?",
        "u1",
        "Ann",
        attachments=[attachment],
        reply_to_id="m0",
        extra={"x": 1},
        reactions="👍×1",
        response_nonce="n1",
    )
    [(message, given)] = handler.seen
    assert given is adapter
    assert message.message_id == message_id != ""
    assert (message.platform, message.channel_id, message.user_id) == ("redis", "a", "u1")
    assert (message.user_name, message.text, message.is_addressed) == ("Ann", "Berlin?", True)
    assert (message.reply_to_id, message.reactions) == ("m0", "👍×1")
    assert (message.extra["x"], message.extra["_response_nonce"]) == (1, "n1")
    assert (message.attachments[0].data, message.attachments[0].filename) == (b"\x00", "a.png")
    assert await adapter.inject_message("a", "x", "u1", "Ann", message_id="m7", is_addressed=False) == "m7"
    assert handler.seen[1][0].is_addressed is False


async def test_with_users_the_roster_is_closed_and_gives_the_name(
    adapter: RedisPlatformAdapter, handler: Handler
) -> None:
    await adapter.create_instance("a")
    with pytest.raises(sg.InvalidError):
        await adapter.inject_message("a", "x", "u1")
    await adapter.register_user("a", "u1", "Ann of the roster")
    await adapter.inject_message("a", "x", "u1", "somebody")
    assert handler.seen[0][0].user_name == "Ann of the roster"
    with pytest.raises(sg.RejectedError):
        await adapter.inject_message("a", "x", "u2", "Bob")
    with pytest.raises(sg.NotFoundError):
        await adapter.inject_message("unknown", "x", "u1", "Ann")
    assert len(handler.seen) == 1


async def test_the_handler_of_a_gateway_publishes_what_was_injected(url: str, witness: Any) -> None:
    bus = compat.RedisEventBus(url, "gateway", "n")

    async def publish(message: Any, _: Any) -> None:
        await bus.publish_inbound(message.to_inbound_envelope())

    adapter = RedisPlatformAdapter(publish, url)
    await adapter.start()
    await adapter.create_instance("a")
    await adapter.inject_message("a", "Berlin?", "u1", "Ann", response_nonce="n1")
    [(_, fields)] = witness.xrange("sg:stream:inbound")
    envelope = compat.deserialize_stream_payload(fields[b"data"])
    assert (envelope["channel_key"], envelope["content"]) == ("redis:a", "Berlin?")
    assert envelope["extra"]["_response_nonce"] == "n1"


async def test_is_channel_valid_tests_membership_and_any_error_yields_false(
    adapter: RedisPlatformAdapter, alone: RedisPlatformAdapter, witness: Any, handler: Handler
) -> None:
    await adapter.create_instance("a")
    assert await adapter.is_channel_valid("a")
    assert not await adapter.is_channel_valid("b")
    assert not await alone.is_channel_valid("a")
    witness.delete(INSTANCES)
    witness.set(INSTANCES, "no set")
    assert not await adapter.is_channel_valid("a")


async def test_send_publishes_a_json_message_envelope_to_the_response_channel(
    adapter: RedisPlatformAdapter, witness: Any
) -> None:
    await adapter.create_instance("a")
    listener = listening(witness, "a")
    message_id = await adapter.send("a", "Grüße")
    said = await heard(listener)
    assert (said["type"], said["text"], said["message_id"]) == ("message", "Grüße", message_id)
    assert said["timestamp"]


async def test_send_file_stores_base64_for_24_hours_and_publishes_metadata_never_the_bytes(
    adapter: RedisPlatformAdapter, witness: Any
) -> None:
    await adapter.create_instance("a")
    listener = listening(witness, "a")
    data = bytes(range(256))
    url = await adapter.send_file("a", data, "a.bin", "application/x-test")
    said = await heard(listener)
    assert (said["type"], said["filename"], said["mimetype"]) == ("file", "a.bin", "application/x-test")
    assert (said["size"], said["url"]) == (256, url)
    assert url == f"/redis-platform/files/{said['file_id']}/a.bin"
    key = f"redis_platform:file:{said['file_id']}"
    kept = witness.hgetall(key)
    assert base64.b64decode(kept[b"data"]) == data
    assert (kept[b"filename"], kept[b"size"], kept[b"channel_id"]) == (b"a.bin", b"256", b"a")
    assert 86_000 < witness.ttl(key) <= 86_400


async def test_with_no_redis_connection_everything_answers_and_nothing_is_kept(alone: RedisPlatformAdapter) -> None:
    made = await alone.create_instance(display_name="x")
    assert len(made["instance_id"]) == 16
    assert len(made["api_key"]) >= 32
    assert await alone.create_instance("a", api_key="k") == {"instance_id": "a", "api_key": "k"}
    assert not await alone.instance_exists("a")
    assert (await alone.list_instances(), await alone.list_users("a"), await alone.get_user("a", "u")) == ([], [], None)
    assert not await alone.update_instance_meta("a", display_name="x")
    record = await alone.register_user("a", "u", "U", {"x": 1})
    assert (record["user_id"], record["display_name"], record["metadata"]) == ("u", "U", {"x": 1})
    assert datetime.fromisoformat(record["registered_at"]).utcoffset() is not None
    assert not await alone.delete_user("a", "u")
    assert not await alone.user_exists("a", "u")
    assert not await alone.has_users("a")
    assert (await alone.delete_instance("a"))["warnings"] == ["no_redis"]
    assert await alone.send("a", "x")
    assert (await alone.send_file("a", b"", "f.txt")).startswith("/redis-platform/files/")
    with pytest.raises(sg.NotFoundError):
        await alone.inject_message("a", "x", "u", "U")
