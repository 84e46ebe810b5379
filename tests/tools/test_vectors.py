"""The vectors are what their generator writes."""

import json
from pathlib import Path

import tomllib
from vectors import generate, tools

TESTS = Path(__file__).resolve().parents[1]


def test_the_files_are_what_their_generators_write() -> None:
    for generator in (generate, tools):
        name = generator.__name__
        assert generator.FILE.read_text(encoding="utf-8") == generator.rendered(), f"in tests/: python -m {name}"


def test_the_table_of_errors_names_scenarios_that_exist() -> None:
    scenarios = tomllib.loads((TESTS / "scenarios.toml").read_text(encoding="utf-8"))["scenario"]
    known = {scenario["id"] for scenario in scenarios}
    table = json.loads((TESTS / "vectors" / "errors.json").read_text(encoding="utf-8"))
    named = {row["scenario"] for row in [*table["errors"], *table["troubles"]]} - {""}
    assert named <= known, f"not in scenarios.toml: {sorted(named - known)}"
