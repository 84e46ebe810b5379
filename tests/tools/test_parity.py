"""The comparison of the two packages itself, on made-up surfaces."""

from typing import Any

from tools.parity import differences, problems, rows, shared, spelled

PYTHON: dict[str, Any] = {
    "Bus": {"kind": "class", "words": ["native"], "members": {"url": None, "close": [], "next": ["timeout"]}},
    "events": {"kind": "namespace", "members": {"publish_nowait": {"kind": "function", "words": ["kind"]}}},
    "Role": {"kind": "value"},
    "Settings": {"kind": "type", "members": {"max_len": None}},
}
NODE: dict[str, Any] = {
    "Bus": {"kind": "class", "words": [], "members": {"url": None, "close": ["timeoutMs"], "next": ["timeoutMs"]}},
    "events": {"kind": "namespace", "members": {"publishNowait": {"kind": "function", "words": ["kind"]}}},
    "NextOptions": {"kind": "type", "members": {"timeoutMs": None}},
    "Settings": {"kind": "type", "members": {"maxLen": None}},
}


def compared(python: dict[str, Any], node: dict[str, Any]) -> list[str]:
    return differences(rows(shared(python, node)), rows(shared(node, python)))


def test_names_are_compared_in_one_spelling() -> None:
    assert [spelled(name) for name in ("leaseMs", "maxBodyBytes", "Bus", "_rest")] == [
        "lease",
        "max_body_bytes",
        "Bus",
        "rest",
    ]


def test_what_stands_in_one_only_is_named() -> None:
    assert compared(PYTHON, NODE) == ["node: Bus.close(timeout)"]
    poorer = {
        **NODE,
        "Bus": {"kind": "class", "words": [], "members": {"url": None, "close": []}},
        "Settings": PYTHON["Role"],
    }
    assert compared(PYTHON, poorer) == ["python: Bus.next", "python: Settings.max_len"]
    assert compared({}, {"Bus": NODE["Bus"]}) == ["node: Bus"]


def test_a_difference_needs_a_reason_and_a_reason_a_difference() -> None:
    assert problems(["node: Bus.close(timeout)"], {"node: *.close(timeout)": "as Python says it"}) == []
    (lacking,) = problems(["python: Time.now"], {})
    assert lacking == "Time.now is in Python only, and tests/parity.toml says not why"
    stale, empty = problems([], {"node: Bus": ""})
    assert "no difference" in stale
    assert "no reason" in empty
