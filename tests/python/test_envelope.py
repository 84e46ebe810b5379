"""Envelopes: the helpers, fields as attributes, and what stands for missing keys."""

from typing import Any

import pytest
import stargazer_core as sg


def test_a_message_has_every_field_and_new_ids() -> None:
    one = sg.inbound("web", channel="c1", user="u1", text="Berlin?")
    other = sg.inbound("web", channel="c1", user="u1", text="Berlin?")
    assert len(one) == 23
    assert (one.channel_key, one.channel_id, one.user_id, one.username) == ("web:c1", "c1", "u1", "u1")
    assert (one["content"], one.content, one.is_addressed) == ("Berlin?", "Berlin?", True)
    assert one.message_id != other.message_id
    assert one.trace_id
    assert one.timestamp > 1.7e9


def test_fields_are_set_by_name() -> None:
    one = sg.inbound("web", channel="c", user="u", text="t", username="Ann", reply_to="m0", extra={"a": 1}, ours=5)
    assert (one.username, one.reply_to, one.extra, one["ours"]) == ("Ann", "m0", {"a": 1}, 5)
    one.content = "changed"
    one.channel_key = "my:lane"
    assert (one["content"], one["channel_key"]) == ("changed", "my:lane")


def test_attributes_stand_for_what_readers_assume() -> None:
    bare = sg.Inbound(platform="web", channel_id="c1", trace_id=None)
    assert (bare.channel_key, bare.is_addressed, bare.trace_id, bare.content) == ("web:c1", True, "", "")
    assert (bare.reply_to, bare.attachments, bare.extra) == (None, [], {})
    bare.attachments.append({"a": 1})
    assert sg.Inbound().attachments == []
    assert "attachments" not in bare
    out = sg.Outbound(type="message")
    assert (out.channel_id, out.text, out.message_key, out.trace_id, out.reply_to) == ("", "", None, "", None)


def test_an_envelope_is_a_dict() -> None:
    one = sg.message("c1", "hi")
    assert isinstance(one, dict)
    assert {**one}["text"] == "hi"
    assert repr(one).startswith("Outbound({")
    match one:
        case {"type": "message", "text": text}:
            assert text == "hi"
        case _:
            pytest.fail("no match")


@pytest.mark.parametrize(
    ("envelope", "fields"),
    [
        (sg.message("c1", "hi", reply_to="m1"), {"type": "message", "text": "hi", "reply_to": "m1"}),
        (sg.message("c1", "hi", message_key="k", trace_id="t"), {"message_key": "k", "trace_id": "t"}),
        (sg.file("c1", "a.png", b"\0\xff"), {"type": "file", "filename": "a.png", "data": "AP8="}),
        (sg.file("c1", "a", b"", mimetype="a/b", text="see"), {"mimetype": "a/b", "text": "see"}),
        (
            sg.buttons("c1", "Well?", [("Yes", "y"), ("No", "n", "👎")]),
            {
                "type": "buttons",
                "text": "Well?",
                "view": [
                    {"label": "Yes", "emoji": None, "custom_id": "y"},
                    {"label": "No", "emoji": "👎", "custom_id": "n"},
                ],
            },
        ),
        (sg.reaction("c1", "m1", "🔥"), {"type": "reaction", "message_id": "m1", "emoji": "🔥"}),
        (sg.typing("c1"), {"type": "typing", "channel_id": "c1"}),
        (sg.presence("away", emoji="💤"), {"type": "presence", "text": "away", "emoji": "💤"}),
        (
            sg.rpc("fetch_history", {"limit": 5}, reply_to="r", correlation_id="7"),
            {"type": "rpc", "method": "fetch_history", "params": {"limit": 5}, "reply_to": "r", "correlation_id": "7"},
        ),
    ],
)
async def test_helpers_build_what_may_be_published(envelope: sg.Outbound, fields: dict[str, Any]) -> None:
    assert {key: envelope[key] for key in fields} == fields
    async with sg.connect("memory://", role="gateway", platforms=["web"]) as bus:
        await bus.publish_outbound("web", envelope)
        async with bus.consume_outbound("web") as out:
            delivery = await out.next(timeout=5)
            assert delivery.data == {**envelope, "platform": "web"}
            for name in fields.keys() - {"data"}:
                assert getattr(delivery.data, name) == fields[name]
            delivery.ack()


def test_the_bytes_of_a_file() -> None:
    assert sg.file("c", "a", bytearray(b"ab")).data == b"ab"
    assert sg.Outbound(type="file", channel_id="c", filename="a", mimetype="m", data=b"raw").data == b"raw"
    with pytest.raises(sg.InvalidError, match="file"):
        _ = sg.message("c", "t").data
    with pytest.raises(sg.MalformedError):
        _ = sg.Outbound(type="file", channel_id="c", filename="a", mimetype="m", data="no base64!").data


def test_wrong_arguments_are_invalid() -> None:
    for call in (
        lambda: sg.inbound("web", channel=5, user="u", text="t"),  # type: ignore[arg-type]
        lambda: sg.message("c", None),  # type: ignore[arg-type]
        lambda: sg.message("c", "\ud800"),
        lambda: sg.buttons("c", "t", [(1, 2)]),  # type: ignore[list-item]
        lambda: sg.rpc("m", {"s": {1}}, reply_to="r", correlation_id="7"),
        lambda: sg.reaction("c", b"m", "x"),  # type: ignore[arg-type]
    ):
        with pytest.raises(sg.InvalidError):
            call()
