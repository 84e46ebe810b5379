"""The scenario check itself, on made-up lists and reports."""

from typing import Any

import pytest
from tools.scenarios import node_names, problems, python_names, rust_names

ALL = ["rust", "python", "node"]
EVERYWHERE = {language: {"order_is_kept"} for language in ALL}


def scenario(**changed: Any) -> dict[str, Any]:
    return {"id": "order_is_kept", "says": "Order is kept.", "languages": ALL, **changed}


def test_a_covered_list_has_no_problems() -> None:
    assert problems([scenario()], EVERYWHERE) == []
    left_out = scenario(languages=["rust", "python"], without={"node": "has no fork"})
    assert problems([left_out], {**EVERYWHERE, "node": set()}) == []
    assert problems([], EVERYWHERE) == []


@pytest.mark.parametrize("language", ALL)
def test_a_missing_test_is_named_with_its_language(language: str) -> None:
    assert problems([scenario()], {**EVERYWHERE, language: set()}) == [f"order_is_kept: no test in {language}"]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"id": "Order kept"}, "no id"),
        ({"id": None}, "no id"),
        ({"says": " "}, "says nothing"),
        ({"languages": ["rust", "python"]}, "node is neither"),
        ({"without": {"node": "both at once"}}, "node is neither"),
        ({"without": {"go": "not there"}}, "unknown language 'go'"),
        ({"languages": ["rust", "python"], "without": {"node": "not covered yet"}}, "is no reason"),
        ({"sentence": "x"}, "unknown keys"),
    ],
)
def test_a_bad_entry_is_told(changed: dict[str, Any], said: str) -> None:
    assert any(said in problem for problem in problems([scenario(**changed)], EVERYWHERE))


def test_an_id_stands_there_once() -> None:
    assert problems([scenario(), scenario()], EVERYWHERE) == ["order_is_kept: stands there twice"]


def test_names_are_read_from_the_runners() -> None:
    assert rust_names("a::b::order_is_kept: test\nplain: test\nsome: benchmark\n\n2 tests, 0 benchmarks\n") == {
        "order_is_kept",
        "plain",
    }
    listing = (
        "tests/python/test_a.py::test_x[memory]\ntests/python/test_a.py::TestB::test_y\ntests/b.py::test_z\n\n3 tests"
    )
    assert python_names(listing) == {"x", "y", "z"}
    report = "\n".join(
        [
            "TAP version 13",
            "# Subtest: a",
            "    ok 1 - inner",
            "ok 1 - a",
            "ok 2 - b # SKIP",
            "ok 3 - c # TODO",
            "not ok 4 - d",
        ]
    )
    assert node_names(report) == {"a", "d"}
