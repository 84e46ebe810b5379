"""The vectors are what their generator writes."""

import json
from pathlib import Path

import tomllib
from vectors.generate import FILE, rendered

TESTS = Path(__file__).resolve().parents[1]


def test_the_file_is_what_the_generator_writes() -> None:
    assert FILE.read_text(encoding="utf-8") == rendered(), "in tests/: python -m vectors.generate"


def test_the_table_of_errors_names_scenarios_that_exist() -> None:
    scenarios = tomllib.loads((TESTS / "scenarios.toml").read_text(encoding="utf-8"))["scenario"]
    known = {scenario["id"] for scenario in scenarios}
    table = json.loads((TESTS / "vectors" / "errors.json").read_text(encoding="utf-8"))
    named = {row["scenario"] for row in [*table["errors"], *table["troubles"]]} - {""}
    assert named <= known, f"not in scenarios.toml: {sorted(named - known)}"
