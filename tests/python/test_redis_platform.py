"""The Redis platform and messages: the same words, answers and errors as in Rust, where each is proven in depth."""

import json
import uuid
from collections.abc import Awaitable

import pytest
import stargazer_core as sg
from stargazer_core.platform import (
    Attachment,
    Button,
    File,
    HistoricalMessage,
    IncomingMessage,
    MessageUpdate,
    SendContext,
    TurnEnd,
)
from stargazer_core.platform.redis import RedisPlatform


@pytest.fixture
def own() -> str:
    """An instance's id that no other test uses."""
    return f"i{uuid.uuid4().hex[:12]}"


@pytest.fixture
def platform(bus: sg.Bus) -> RedisPlatform:
    return RedisPlatform(bus)


async def received(bus: sg.Bus) -> list[sg.Inbound]:
    messages: list[sg.Inbound] = []

    async def keep(message: sg.Inbound) -> None:
        messages.append(message)

    async with bus.consume_inbound() as inbox:
        await inbox.run(keep, until_idle=True)
    return messages


async def refused(code: str, awaited: Awaitable[object]) -> sg.StargazerError:
    with pytest.raises(sg.StargazerError) as raised:
        await awaited
    assert raised.value.code == code
    return raised.value


def test_a_message_becomes_an_envelope_and_back() -> None:
    message = IncomingMessage(
        platform="web",
        channel_id="c1",
        user_id="u1",
        user_name="Änn",
        text="hi",
        is_addressed=False,
        attachments=[Attachment(bytes(range(256)), "image/png", "a.png", "https://x", {"w": 1})],
        channel_name="Kitchen",
        timestamp=12.5,
        message_id="m1",
        reply_to_id="m0",
        extra={
            "_response_nonce": "n1",
            "guild_id": "g",
            "is_dm": True,
            "member_roles": ["a"],
            "deep": {"a": [b"\x00"]},
        },
        reactions="👍×3",
        unified_user_id="x1",
        user_aliases=["web:u1"],
    )
    envelope = message.to_inbound_envelope()
    assert (envelope.content, envelope.channel_key, envelope.guild_id, envelope.is_dm) == ("hi", "web:c1", "g", True)
    assert envelope.extra == {"_response_nonce": "n1", "deep": {"a": [b"\x00"]}}
    assert IncomingMessage.from_inbound_envelope(envelope) == message
    plain = IncomingMessage("web", "c1", "u1", "Ann", "hi")
    assert IncomingMessage.from_inbound_envelope(plain.to_inbound_envelope()) == plain
    assert MessageUpdate.of_inbound(envelope) is None
    with pytest.raises(sg.InvalidError, match="text must be text"):
        IncomingMessage("web", "c1", "u1", "Ann", 5).to_inbound_envelope()  # type: ignore[arg-type]
    with pytest.raises(sg.MalformedError, match="channel_id"):
        IncomingMessage.from_inbound_envelope({"platform": "web"})


def test_history_keeps_what_it_does_not_know() -> None:
    row = {"user_id": "u", "user_name": "U", "text": "t", "timestamp": 1.0, "is_bot": True, "more": [1]}
    message = HistoricalMessage.from_map(row)
    assert message.is_bot
    assert message.rest == {"more": [1]}
    assert HistoricalMessage.from_map(message.to_map()) == message


async def test_a_received_message_is_stored_once(bus: sg.Bus) -> None:
    intake = sg.platform.Intake(bus, "web")
    message = IncomingMessage("", "c1", "u1", "Ann", "hi", message_id="m1")
    receipts = [await intake.message(message) for _ in range(2)]
    assert [receipt.duplicate for receipt in receipts] == [False, True]
    await intake.update(MessageUpdate("edited", "c1", "m1", text="hello", timestamp=5.0))
    hi, edited = await received(bus)
    assert (hi.platform, hi.channel_key, len(hi.trace_id)) == ("web", "web:c1", 32)
    assert MessageUpdate.of_inbound(edited) == MessageUpdate("edited", "c1", "m1", text="hello", timestamp=5.0)
    await refused("invalid", intake.message(IncomingMessage("other", "c1", "u", "n", "t")))
    await refused("invalid", intake.update(MessageUpdate("deleted", "c1", "m1", text="no text")))
    await refused("invalid", intake.update(MessageUpdate("moved", "c1", "m1")))  # type: ignore[arg-type]


async def test_a_key_is_shown_once_and_kept_as_a_hash(bus: sg.Bus, platform: RedisPlatform, own: str) -> None:
    made = await platform.create_instance()
    assert len(made.instance_id) == 16
    assert len(made.api_key) == 43
    assert made.api_key not in repr(made)
    kept = await bus.store().hash_get_all(f"redis_platform:keys:{made.instance_id}")
    assert len(kept) == 1
    assert made.api_key not in kept
    await platform.create_instance(own, display_name="Demo", metadata={"zone": "eu", "seats": 3})
    shown = await platform.get_instance(own)
    assert shown is not None
    assert (shown.instance_id, shown.display_name, shown.metadata) == (own, "Demo", {"seats": "3", "zone": "eu"})
    assert shown.created_at.endswith("+00:00")
    error = await refused("conflict", platform.create_instance(own))
    assert error.context["instance_id"] == own
    assert own in [instance.instance_id for instance in (await platform.list_instances()).items]
    assert await platform.get_instance("unknown") is None


async def test_only_the_right_key_opens(platform: RedisPlatform, own: str) -> None:
    made = await platform.create_instance(own)
    assert await platform.validate_api_key(own, made.api_key)
    for wrong in ["", "x", made.api_key[:-1]]:
        assert not await platform.validate_api_key(own, wrong)
    assert not await platform.validate_api_key("unknown", made.api_key)
    chosen = await platform.create_instance(own + "2", api_key="a key of my own")
    assert await platform.validate_api_key(own + "2", chosen.api_key)


async def test_an_update_leaves_key_and_creation_alone(platform: RedisPlatform, own: str) -> None:
    made = await platform.create_instance(own, metadata={"team": "red"})
    before = await platform.get_instance(own)
    assert await platform.update_instance(own, display_name="Demo", metadata={"team": "blue", "beta": True})
    after = await platform.get_instance(own)
    assert before is not None
    assert after is not None
    assert (after.display_name, after.created_at) == ("Demo", before.created_at)
    assert after.metadata == {"team": "blue", "beta": "True"}
    assert await platform.validate_api_key(own, made.api_key)
    assert not await platform.update_instance("unknown", display_name="x")
    error = await refused("invalid", platform.update_instance(own, metadata={"api_key": "planted"}))
    assert error.context["name"] == "api_key"


async def test_a_user_is_registered_read_and_removed(platform: RedisPlatform, own: str) -> None:
    await platform.create_instance(own)
    assert not await platform.has_users(own)
    user = await platform.register_user(own, "u1", "Ann", {"age": 7, "tags": ["a"]})
    assert (user.user_id, user.display_name, user.metadata) == ("u1", "Ann", {"age": 7, "tags": ["a"]})
    assert await platform.get_user(own, "u1") == user
    assert list((await platform.list_users(own)).items) == [user]
    assert await platform.has_users(own)
    assert await platform.user_exists(own, "u1")
    assert await platform.delete_user(own, "u1")
    assert not await platform.delete_user(own, "u1")
    assert await platform.get_user(own, "u1") is None
    await refused("not_found", platform.register_user("unknown", "u1", "Ann"))


async def test_broken_records_are_left_out(bus: sg.Bus, platform: RedisPlatform, own: str) -> None:
    await platform.create_instance(own)
    await platform.register_user(own, "good", "Ann")
    await bus.store().hash_set(f"redis_platform:users:{own}", {"bad": "{"})
    listing = await platform.list_users(own)
    assert [user.user_id for user in listing.items] == ["good"]
    assert [skipped.id for skipped in listing.skipped] == ["bad"]


async def test_everything_reaches_the_workers(bus: sg.Bus, platform: RedisPlatform, own: str) -> None:
    await platform.create_instance(own)
    injected = await platform.inject_message(
        own,
        "Look",
        "u1",
        "Ann",
        attachments=[Attachment(b"\xff\x00", "text/plain", "a.txt")],
        channel_name="Demo",
        message_id="m1",
        reply_to_id="m0",
        extra={"locale": "no"},
        reactions="👍×3",
        response_nonce="n1",
        is_addressed=False,
    )
    (envelope,) = await received(bus)
    assert (envelope.trace_id, envelope.message_id) == (injected.trace_id, injected.message_id) != ("", "")
    message = IncomingMessage.from_inbound_envelope(envelope)
    assert (message.platform, message.channel_id, message.text, message.user_name) == ("redis", own, "Look", "Ann")
    assert (message.channel_name, message.reply_to_id, message.reactions) == ("Demo", "m0", "👍×3")
    assert (message.is_addressed, message.attachments[0].data) == (False, b"\xff\x00")
    assert (message.extra["locale"], message.extra["_response_nonce"]) == ("no", "n1")
    checked = await platform.incoming(own, "Look", "u1", "Ann", response_nonce="n2")
    assert (checked.user_name, checked.extra) == ("Ann", {"_response_nonce": "n2"})
    assert await received(bus) == []


async def test_an_open_instance_needs_a_name(platform: RedisPlatform, own: str) -> None:
    await platform.create_instance(own)
    error = await refused("invalid", platform.inject_message(own, "hi", "u1"))
    assert error.context == {"field": "user_name", "stored": "no"}
    error = await refused("invalid", platform.inject_message(own, "hi", "u1", "Ann", extra={"trace_id": "mine"}))
    assert error.context["field"] == "extra"


async def test_a_roster_decides_who_may_write(bus: sg.Bus, platform: RedisPlatform, own: str) -> None:
    await platform.create_instance(own)
    await platform.register_user(own, "u1", "Ann the Great")
    await platform.inject_message(own, "hi", "u1", "Somebody")
    await refused("rejected", platform.inject_message(own, "hi", "u2", "Stranger"))
    assert [message.username for message in await received(bus)] == ["Ann the Great"]


async def test_an_unknown_instance_is_not_found(platform: RedisPlatform) -> None:
    error = await refused("not_found", platform.inject_message("unknown", "hi", "u1", "Ann"))
    assert error.context["instance_id"] == "unknown"
    await refused("not_found", platform.send("unknown", "x"))
    assert not await platform.is_channel_valid("unknown")
    assert not await platform.instance_exists("unknown")


async def test_a_message_id_is_taken_once(platform: RedisPlatform, own: str) -> None:
    await platform.create_instance(own)
    first = await platform.inject_message(own, "hi", "u1", "Ann", message_id="m1")
    again = await platform.inject_message(own, "hi", "u1", "Ann", message_id="m1")
    assert (first.receipt.duplicate, again.receipt.duplicate) == (False, True)
    assert (again.receipt.id, again.trace_id) == (first.receipt.id, "")


async def test_a_message_is_told_and_kept(bus: sg.Bus, platform: RedisPlatform, own: str) -> None:
    await platform.create_instance(own)
    async with await bus.store().subscribe(f"stargazer:redis_platform:response:{own}") as ear:
        said = SendContext(message_key="k1", trace_id="t1", reply_to="m1")
        message_id = await platform.send(own, "21 °C", said)
        heard = await ear.next()
    assert heard is not None
    told = json.loads(heard.payload)
    assert list(told) == ["type", "message_id", "text", "timestamp", "reply_to"]
    assert (told["message_id"], told["text"]) == (message_id, "21 °C")
    await platform.send_with_buttons(own, "Sure?", [Button("Yes", "y", "✅")])
    await platform.react(own, "m1", "👍", SendContext(trace_id="t1"))
    await platform.turn_complete(own, TurnEnd("n1", "gone", "t1"))
    kept = await platform.replies(own)
    assert [reply.kind for reply in kept.items] == ["message", "message", "reaction", "turn_complete"]
    assert kept.items[0].body == told
    assert kept.items[1].body["buttons"] == [{"label": "Yes", "emoji": "✅", "custom_id": "y"}]
    assert (kept.items[3].body["status"], kept.items[3].body["error"]) == ("failed", "gone")
    turn = await platform.turn_replies(own, "t1")
    assert [reply.kind for reply in turn.items] == ["message", "reaction", "turn_complete"]


async def test_what_is_said_again_is_said_once(platform: RedisPlatform, own: str) -> None:
    await platform.create_instance(own)
    first = await platform.send(own, "once", SendContext(message_key="k1"))
    assert await platform.send(own, "once", SendContext(message_key="k1", may_be_repeat=True, attempt=2)) == first
    assert len((await platform.replies(own)).items) == 1


async def test_a_file_is_kept_as_bytes_for_a_day(bus: sg.Bus, platform: RedisPlatform, own: str) -> None:
    await platform.create_instance(own)
    data = bytes(range(256)) * 70_000
    url = await platform.send_file(own, File("a b.bin", data[:1_000_000]), SendContext(caption="look"))
    (reply,) = (await platform.replies(own)).items
    file_id = reply.body["file_id"]
    assert (
        url
        == reply.body["url"]
        == platform.file_url(file_id, "a b.bin")
        == f"/redis-platform/files/{file_id}/a%20b.bin"
    )
    assert (reply.body["size"], reply.body["text"]) == (1_000_000, "look")
    stored = await platform.get_file(file_id)
    assert stored is not None
    assert (stored.data, stored.mimetype, stored.channel_id) == (data[:1_000_000], "application/octet-stream", own)
    left = await bus.store().time_to_live(f"redis_platform:file:{file_id}")
    assert left is not None
    assert 86_000 < left <= 86_400
    assert await platform.get_file("unknown") is None
    await refused("too_large", platform.send_file(own, File("big", data)))


async def test_replies_are_read_on_by_id(platform: RedisPlatform, own: str) -> None:
    await platform.create_instance(own)
    assert await platform.last_reply(own) == "0-0"
    for n in range(3):
        await platform.send(own, str(n))
    page = await platform.replies(own, count=2)
    assert [reply.body["text"] for reply in page.items] == ["0", "1"]
    rest = await platform.replies(own, page.next, wait=10)
    assert [reply.body["text"] for reply in rest.items] == ["2"]
    assert rest.next == await platform.last_reply(own)
    assert not rest.gap
    none = await platform.replies(own, rest.next, wait=0.01)
    assert (list(none.items), none.next) == ([], rest.next)


async def test_everything_goes_and_is_counted(platform: RedisPlatform, own: str) -> None:
    await platform.create_instance(own)
    await platform.register_user(own, "u1", "Ann")
    await platform.send_file(own, File("a", b"x"), SendContext(trace_id="t1"))
    deleted = await platform.delete_instance(own)
    assert (deleted.existed, deleted.users, deleted.files, deleted.turns) == (True, 1, 1, 1)
    assert (deleted.instance_id, list(deleted.warnings)) == (own, [])
    assert not await platform.instance_exists(own)


async def test_deleting_nothing_is_told(platform: RedisPlatform) -> None:
    deleted = await platform.delete_instance("unknown")
    assert (deleted.existed, deleted.keys, list(deleted.warnings)) == (False, 0, ["unknown_instance"])


async def test_the_platform_is_what_the_original_says(bus: sg.Bus, platform: RedisPlatform, own: str) -> None:
    assert platform.name == "redis"
    assert not await platform.is_running()
    bot = await platform.bot_identity()
    assert (bot.platform, bot.user_id, bot.display_name) == ("redis", "star", "Star")
    assert await platform.should_skip_channel_heartbeat(own)
    assert await platform.fetch_history(own) == []
    await platform.typing(own)
    await refused("rejected", platform.call("dance"))
    named = RedisPlatform(bus, bot_name="Nova", file_ttl=60.0)
    assert (await named.bot_identity()).display_name == "Nova"


def test_settings_are_checked_by_name(platform: RedisPlatform, bus: sg.Bus) -> None:
    for settings, name in [({"colour": "red"}, "colour"), ({"file_ttl": 0}, "file_ttl"), ({"bot_name": 5}, "bot_name")]:
        with pytest.raises(sg.InvalidError, match=name):
            RedisPlatform(bus, **settings)  # type: ignore[arg-type]
    with pytest.raises(sg.InvalidError, match="bus"):
        RedisPlatform("redis://")  # type: ignore[arg-type]


async def test_a_proxy_speaks_in_the_turn_of_a_message(bus: sg.Bus) -> None:
    message = sg.inbound("web", channel="c1", user="u1", text="hi", trace_id="t1", extra={"_response_nonce": "n1"})
    for _ in range(2):
        proxy = sg.ProxyAdapter.for_message(bus, message)
        await proxy.perform(sg.message("", "one"))
        assert await proxy.send("c2", "two", SendContext(reply_to="m1")) == ""
        await proxy.send_file("c1", File("a", b"\xff"), SendContext(caption="look"))
        await proxy.typing("c1")
        await proxy.end()
    said: list[sg.Outbound] = []

    async def keep(action: sg.Outbound) -> None:
        said.append(action)

    async with bus.consume_outbound("web", ordering="none", concurrency=1) as out:
        await out.run(keep, until_idle=True)
    keys = ["t1:message:0", "t1:message:1", "t1:file:0", "t1:typing:0", "t1:turn_complete:0"]
    assert [action.message_key for action in said] == keys
    assert [action.channel_id for action in said] == ["c1", "c2", "c1", "c1", "c1"]
    assert (said[1].reply_to, said[2].data, said[2].text) == ("m1", b"\xff", "look")
    assert said[4].params == {"nonce": "n1", "status": "completed"}
    alone = sg.ProxyAdapter(bus, "web", call_timeout=0.05)
    assert (alone.name, await alone.is_running()) == ("web", True)
    await refused("invalid", alone.perform({"type": "dance", "channel_id": "c1"}))
    with pytest.raises(sg.InvalidError, match="channel_id"):
        sg.ProxyAdapter.for_message(bus, {"platform": "web"})
