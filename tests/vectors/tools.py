"""Writes ``tools.json``: definitions of tools, their hash, their catalog, and which arguments fit.

Hash and bytes come from Python's ``json``, ``hashlib`` and msgpack-python. Whether arguments fit is written by hand;
``python -m vectors.tools --judge`` asks ``jsonschema`` from PyPI (where it is installed) whether it says the same.
"""

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

from vectors.encoding import Body, pack

FILE = Path(__file__).resolve().parent / "tools.json"

NOTHING: Body = {"type": "object", "properties": {}, "additionalProperties": False}


def obj(properties: Body, *required: str, **more: Any) -> Body:
    return {"type": "object", "properties": properties, "required": list(required), **more}


WEATHER: Body = {
    "name": "weather",
    "description": "Weather of a city.",
    "parameters": obj({"city": {"type": "string"}, "days": {"type": "integer", "minimum": 1.0}}, "city"),
    "no_background": False,
    "allow_repeat": True,
}
ADD: Body = {
    "name": "add",
    "description": 'Grüße 漢字 👍 "quoted" \\ / \u0001',
    "parameters": obj({"ß": {"type": "number", "default": 0.1}, "a": {"multipleOf": 2.0}, "𝄞": {}, "\ufeff": {}}),
    "no_background": True,
    "allow_repeat": False,
}
PLAY: Body = {
    "name": "play_music",
    "description": "",
    "parameters": NOTHING,
    "no_background": False,
    "allow_repeat": False,
    "timeout_ms": 2500,
    "concurrency": 2,
    "place": "gateway",
}


def canonical(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: canonical(item) for key, item in value.items()}
    if isinstance(value, list):
        return [canonical(item) for item in value]
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return int(value)
    return value


def schema_hash(tools: list[Body]) -> str:
    hashed = ("name", "description", "parameters", "no_background", "allow_repeat")
    described = [{key: canonical(tool[key]) for key in hashed} for tool in sorted(tools, key=lambda t: str(t["name"]))]
    return hashlib.sha256(json.dumps(described, sort_keys=True).encode()).hexdigest()


def catalogs() -> list[Body]:
    rows = {
        "nothing": ([], {}),
        "one": ([WEATHER], {}),
        "several, sorted by name": ([WEATHER, PLAY, ADD], {"play_music": ["voice", "admin"]}),
    }
    return [
        {
            "name": name,
            "since": 1,
            "tools": [{**tool, "permissions": permissions.get(tool["name"], [])} for tool in tools],
            "schema_hash": schema_hash(tools),
            "hex": pack(
                {
                    "tools": sorted(tools, key=lambda tool: str(tool["name"])),
                    "permissions": permissions,
                    "schema_hash": schema_hash(tools),
                }
            ).hex(),
        }
        for name, (tools, permissions) in rows.items()
    ]


def foreign() -> list[Body]:
    """Catalogs as others may write them: ``tools`` are the names read, ``left_out`` those that cannot be used."""
    bare = {"name": "bare", "description": "d", "parameters": {"type": "object"}}
    rows: dict[str, tuple[Body, list[str], list[str]]] = {
        "unknown keys, no flags": (
            {"tools": [{**bare, "cost": 5}], "permissions": {}, "schema_hash": "x", "v": 3},
            ["bare"],
            [],
        ),
        "no permissions": ({"tools": [bare], "schema_hash": "x"}, ["bare"], []),
        "a permission as text": ({"tools": [bare], "permissions": {"bare": "admin"}, "schema_hash": "x"}, ["bare"], []),
        "entries that are none": (
            {
                "tools": [
                    5,
                    {"name": "a b"},
                    {"description": "no name"},
                    {**bare, "parameters": {"type": "string"}},
                    WEATHER,
                ],
                "permissions": {},
                "schema_hash": "x",
            },
            ["weather"],
            ["", "a b", "", "bare"],
        ),
    }
    return [
        {"name": name, "since": 1, "hex": pack(catalog).hex(), "tools": tools, "left_out": left_out}
        for name, (catalog, tools, left_out) in rows.items()
    ]


def refused_definitions() -> list[Body]:
    rows: list[tuple[Any, str]] = [
        ({}, "name"),
        ({"name": ""}, "name"),
        ({"name": "a b"}, "name"),
        ({"name": "a" * 65}, "name"),
        ({"name": "ä"}, "name"),
        ({"name": 5}, "name"),
        ({"name": "a", "description": 5}, "description"),
        ({"name": "a", "description": "x" * 8193}, "description"),
        ({"name": "a", "parameters": []}, "parameters"),
        ({"name": "a", "parameters": {}}, "parameters"),
        ({"name": "a", "parameters": {"type": "string"}}, "parameters"),
        ({"name": "a", "parameters": {"type": "object", "properties": {"a": {"$ref": "other.json"}}}}, "parameters"),
        ({"name": "a", "no_background": 1}, "no_background"),
        ({"name": "a", "permissions": "admin"}, "permissions"),
        ({"name": "a", "permissions": [""]}, "permissions"),
        ({"name": "a", "timeout_ms": -1}, "timeout_ms"),
        ({"name": "a", "timeout_ms": 0}, "timeout"),
        ({"name": "a", "concurrency": 0}, "concurrency"),
        ({"name": "a", "place": "moon"}, "place"),
        ({"name": "a", "timeout": 5}, "timeout"),
    ]
    return [{"since": 1, "definition": definition, "field": field} for definition, field in rows]


def arguments() -> list[Body]:
    """Arguments and whether they fit: ``fits``, else the message of the error."""
    rows: list[tuple[Body, Body, str]] = []

    def one(schema: Body, *fitting: Any, **wrong: tuple[Any, str]) -> None:
        """Values of the argument ``a``."""
        whole = {"type": "object", "properties": {"a": schema}, "$defs": schema.pop("$defs", {})}
        rows.extend((whole, {"a": value}, "") for value in fitting)
        rows.extend((whole, {"a": value}, told) for value, told in wrong.values())

    one(
        {"type": "string"},
        "",
        "漢字",
        x=(5, "`a` must be text, found integer 5"),
        y=(None, "`a` must be text, found nil"),
    )
    one(
        {"type": "integer"},
        5,
        -3,
        5.0,
        x=(5.5, "`a` must be integer, found float 5.5"),
        y=(True, "`a` must be integer, found boolean true"),
    )
    one({"type": "number"}, 5, 5.5, x=("5", '`a` must be number, found text "5"'))
    one({"type": ["integer", "null"]}, 5, None, x=("", '`a` must be integer or nil, found text ""'))
    one(
        {"type": "array", "items": {"type": "boolean"}},
        [],
        [True],
        x=([True, 0], "`a[1]` must be boolean, found integer 0"),
    )
    one({"type": "object"}, {}, {"x": 1}, x=([], "`a` must be map, found list of 0"))
    one({"const": {"x": [1]}}, {"x": [1]}, {"x": [1.0]}, x=({"x": [2]}, "`a` must be map, found map"))
    one({"enum": ["a", 1, None]}, "a", 1, None, x=("b", '`a` must be "a", 1 or null, found text "b"'))
    one(
        {"minimum": 1, "maximum": 3},
        1,
        3,
        2.5,
        "any",
        x=(0, "`a` must be at least 1, found integer 0"),
        y=(4, "`a` must be at most 3, found integer 4"),
    )
    one(
        {"exclusiveMinimum": 1, "exclusiveMaximum": 3},
        2,
        x=(1, "`a` must be more than 1, found integer 1"),
        y=(3, "`a` must be less than 3, found integer 3"),
    )
    one(
        {"minimum": 9007199254740993},
        9007199254740993,
        x=(9007199254740992, "`a` must be at least 9007199254740993, found integer 9007199254740992"),
    )
    one({"multipleOf": 3}, 0, 9, -6, x=(7, "`a` must be a multiple of 3, found integer 7"))
    one({"multipleOf": 0.5}, 1, 1.5, x=(1.25, "`a` must be a multiple of 0.5, found float 1.25"))
    one(
        {"minLength": 2, "maxLength": 3},
        "ab",
        "𝄞𝄞",
        x=("𝄞", "`a` must be text of 2 to 3 characters, found 1 character"),
    )
    one(
        {"pattern": "^[a-z]+\\d$"},
        "a1",
        "x\u007a9",
        x=("1a", '`a` must be text that matches ^[a-z]+\\d$, found text "1a"'),
    )
    one({"pattern": "b"}, "abc", 5, x=("a", '`a` must be text that matches b, found text "a"'))
    one(
        {"minItems": 1, "maxItems": 2},
        [1],
        x=([], "`a` must be a list of 1 to 2 items, found 0 items"),
        y=([1, 2, 3], "`a` must be a list of 1 to 2 items, found 3 items"),
    )
    one(
        {"uniqueItems": True},
        [1, 2, "1"],
        [{"a": 1}, {"a": 2}],
        x=([{"a": 1, "b": 2}, {"b": 2, "a": 1}], "`a[1]` must be different from all others, found the same once more"),
    )
    one(
        {"prefixItems": [{"type": "string"}], "items": {"type": "integer"}},
        ["a", 1],
        [],
        x=([1], "`a[0]` must be text, found integer 1"),
        y=(["a", "b"], '`a[1]` must be integer, found text "b"'),
    )
    one({"prefixItems": [{}], "items": False}, [1], x=([1, 2], "`a[1]` must be left out, found integer 2"))
    one(
        {"contains": {"type": "string"}, "minContains": 2},
        ["a", 1, "b"],
        x=(["a"], "`a` must be a list with at least 2 of text, found 1"),
    )
    one({"minProperties": 1, "maxProperties": 1}, {"x": 1}, x=({}, "`a` must be a map of 1 key, found 0 keys"))
    one(
        {"patternProperties": {"^x-": {"type": "integer"}}, "additionalProperties": {"type": "string"}},
        {"x-a": 1, "b": "c"},
        x=({"x-a": "1"}, '`a.x-a` must be integer, found text "1"'),
        y=({"b": 1}, "`a.b` must be text, found integer 1"),
    )
    one(
        {"propertyNames": {"pattern": "^[a-z]$"}},
        {"a": 1},
        x=({"A": 1}, "`a.A` must be called by a name that is a value, found this name"),
    )
    one(
        {"dependentRequired": {"x": ["y"]}},
        {"y": 1},
        {"x": 1, "y": 1},
        x=({"x": 1}, "`a.y` is missing; it must be there (`x` is there)"),
    )
    one(
        {"dependentSchemas": {"x": {"required": ["y"]}}},
        {"x": 1, "y": 1},
        x=({"x": 1}, "`a.y` is missing; it must be there"),
    )
    one({"allOf": [{"type": "integer"}, {"minimum": 3}]}, 3, x=(2, "`a` must be at least 3, found integer 2"))
    one(
        {"anyOf": [{"type": "integer"}, {"type": "null"}]},
        3,
        None,
        x=("3", '`a` must be integer or nil, found text "3"'),
    )
    one(
        {"oneOf": [{"type": "integer"}, {"minimum": 3}]},
        2,
        3.5,
        x=(3, "`a` must be exactly one of its alternatives, found what fits 2 of them"),
    )
    one({"not": {"type": "null"}}, 3, x=(None, "`a` must be anything but nil, found nil"))
    one(
        {"if": {"type": "string"}, "then": {"minLength": 2}, "else": {"minimum": 5}},
        "ab",
        5,
        x=("a", "`a` must be text of at least 2 characters, found 1 character"),
        y=(4, "`a` must be at least 5, found integer 4"),
    )
    one(
        {"$ref": "#/$defs/a~1b%20c", "$defs": {"a/b c": {"type": "integer"}}},
        1,
        x=("", '`a` must be integer, found text ""'),
    )
    one({"type": "string", "format": "email", "title": "Mail", "x-own": 5}, "not an address")
    whole = obj({"city": {"type": "string"}, "days": {"type": "integer"}}, "city", additionalProperties=False)
    rows += [
        (whole, {"city": "Berlin"}, ""),
        (whole, {}, "`city` is missing; it must be text"),
        (
            whole,
            {"city": 1, "days": "2"},
            '`city` must be text, found integer 1; `days` must be integer, found text "2"',
        ),
        (
            whole,
            {"city": "", "dais": 1},
            "`dais` must be left out: there is no such argument, found integer 1; is `days` meant?",
        ),
        (NOTHING, {}, ""),
        (NOTHING, {"a": 1}, "`a` must be left out: there is no such argument, found integer 1"),
    ]
    return [{"since": 1, "schema": schema, "arguments": value, "told": told} for schema, value, told in rows]


def rendered() -> str:
    sections = {
        "catalogs": catalogs(),
        "foreign_catalogs": foreign(),
        "refused_definitions": refused_definitions(),
        "arguments": arguments(),
    }
    lines = ["{"]
    for n, (section, rows) in enumerate(sections.items()):
        lines.append(f'  "{section}": [')
        lines += [
            "    " + json.dumps(row, ensure_ascii=True, allow_nan=False) + ("," if i < len(rows) - 1 else "")
            for i, row in enumerate(rows)
        ]
        lines.append("  ]" + ("," if n < len(sections) - 1 else ""))
    return "\n".join([*lines, "}", ""])


def judged() -> list[str]:
    """Rows on which ``jsonschema`` is of another opinion."""
    from jsonschema import Draft202012Validator  # type: ignore[import-untyped, import-not-found, unused-ignore]

    others = []
    for row in arguments():
        Draft202012Validator.check_schema(row["schema"])
        if Draft202012Validator(row["schema"]).is_valid(row["arguments"]) == bool(row["told"]):
            others.append(json.dumps(row))
    return others


def main() -> int:
    if "--judge" in sys.argv[1:]:
        others = judged()
        print("\n".join(others) or "jsonschema says the same")
        return len(others) and 1
    if "--check" not in sys.argv[1:]:
        FILE.write_text(rendered(), encoding="utf-8")
        return 0
    if FILE.read_text(encoding="utf-8") == rendered():
        return 0
    print(f"{FILE.name} is not what {Path(__file__).name} writes: run it and look at the difference", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
