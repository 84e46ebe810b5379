"""Payloads, with msgpack-python as the witness in both directions."""

from typing import Any

import msgpack  # type: ignore[import-untyped]
import pytest
import stargazer_core as sg
from stargazer_core.compat import deserialize_stream_payload, serialize_stream_payload

PAYLOADS: list[dict[str, Any]] = [
    {},
    {"b": 1, "a": 2},
    {"text": "Grüße 👍", "bytes": b"\x00\xff", "none": None, "yes": True, "float": 1.0, "list": [1, [2, {}]]},
    {"small": -(2**63), "large": 2**64 - 1},
    {"long": "x" * 70_000, "many": list(range(70_000))},
]


@pytest.mark.parametrize("payload", PAYLOADS, ids=range(len(PAYLOADS)))
def test_the_bytes_are_those_of_msgpack_with_use_bin_type(payload: dict[str, Any]) -> None:
    data = serialize_stream_payload(payload)
    assert data == msgpack.packb(payload, use_bin_type=True)
    assert deserialize_stream_payload(data) == payload == msgpack.unpackb(data)


def test_keys_keep_their_order() -> None:
    assert list(deserialize_stream_payload(serialize_stream_payload({"z": 1, "a": 2, "m": 3}))) == ["z", "a", "m"]


def test_text_is_taken_as_the_bytes_it_was_decoded_from() -> None:
    data = msgpack.packb({"a": "b"})
    assert deserialize_stream_payload(data.decode("utf-8", "surrogateescape")) == {"a": "b"}
    assert deserialize_stream_payload(msgpack.packb("é").decode("utf-8", "surrogateescape")) == "é"
    assert deserialize_stream_payload(bytearray(data)) == deserialize_stream_payload(memoryview(data)) == {"a": "b"}


def test_a_missing_payload_is_an_empty_one() -> None:
    assert [deserialize_stream_payload(nothing) for nothing in (None, b"", "")] == [{}, {}, {}]


def test_what_is_no_payload_is_malformed_or_invalid() -> None:
    for broken in (b"\xc1", b"\x82\xa1a", msgpack.packb({1: 2})):
        with pytest.raises(sg.MalformedError):
            deserialize_stream_payload(broken)
    with pytest.raises(sg.InvalidError):
        serialize_stream_payload({"a": object()})
