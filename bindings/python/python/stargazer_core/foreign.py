"""Schemas that classes of other libraries tell of themselves, taken in among those of a tool.

Each library names what its schemas refer to as it likes. A name that already stands for something else is changed,
and with it every reference; what is told twice in the same words is kept once.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["Hoist", "msgspec"]

_PLACE = "#/$defs/"

#: Keywords that hold schemas by names of their own.
_BY_NAME = ("properties", "patternProperties", "dependentSchemas", "$defs", "definitions")

#: Keywords that hold values.
_VALUES = ("const", "default", "enum", "examples")


class Hoist:
    """The definitions of one tool, and what foreign ones among them were called."""

    def __init__(self, defs: dict[str, Any]) -> None:
        """Over the definitions that it adds to."""
        self._defs = defs
        #: What was taken in, word for word, and its name here.
        self._here: dict[str, str] = {}

    def free(self, wanted: str) -> str:
        """A name that is not taken: the wanted one, or one with a number."""
        name, n = wanted, 1
        while name in self._defs:
            n += 1
            name = f"{wanted}{n}"
        return name

    def take(self, wanted: str, schema: Mapping[str, Any]) -> str:
        """Takes a schema with its ``$defs`` in; the name that it has here."""
        told: dict[str, Any] = dict(schema.get("$defs", {}))
        own = {key: value for key, value in schema.items() if key != "$defs"}
        target = own.get("$ref", "")
        if set(own) == {"$ref"} and target.removeprefix(_PLACE) in told:
            # It refers to itself, or the library always tells by reference.
            root: str = target.removeprefix(_PLACE)
        else:
            root = wanted
            while root in told:
                root += "_"
            told[root] = own
        signs = {name: _sign(name, told) for name in told}
        fresh = [name for name, sign in signs.items() if sign not in self._here]
        for name in fresh:
            self._here[signs[name]] = here = self.free(name)
            self._defs[here] = {}
        names = {name: self._here[sign] for name, sign in signs.items()}
        for name in fresh:
            self._defs[names[name]] = _renamed(told[name], names)
        return names[root]


def _sign(name: str, told: Mapping[str, Any]) -> str:
    """A schema word for word, with all that it refers to."""
    reached, ahead = set[str](), [name]
    while ahead:
        one = ahead.pop()
        if one in told and one not in reached:
            reached.add(one)
            ahead.extend(_referred(told[one]))
    return json.dumps([name, {one: told[one] for one in reached}], sort_keys=True, default=repr)


def _referred(schema: Any) -> set[str]:
    found: set[str] = set()

    def note(name: str) -> str:
        found.add(name)
        return name

    _each_reference(schema, note)
    return found


def _renamed(schema: Any, names: Mapping[str, str]) -> Any:
    return _each_reference(schema, lambda name: names.get(name, name))


def _each_reference(schema: Any, rename: Callable[[str], str]) -> Any:
    """The schema with its references renamed, those of discriminators included."""
    if isinstance(schema, list):
        return [_each_reference(item, rename) for item in schema]
    if not isinstance(schema, dict):
        return schema
    made: dict[str, Any] = {}
    for key, value in schema.items():
        if key == "$ref" and isinstance(value, str) and value.startswith(_PLACE):
            made[key] = _PLACE + rename(value.removeprefix(_PLACE))
        elif key == "discriminator" and isinstance(value, dict) and isinstance(value.get("mapping"), dict):
            mapping = {word: _each_reference({"$ref": to}, rename)["$ref"] for word, to in value["mapping"].items()}
            made[key] = {**value, "mapping": mapping}
        elif key in _BY_NAME and isinstance(value, dict):
            made[key] = {name: _each_reference(inner, rename) for name, inner in value.items()}
        elif key in _VALUES:
            made[key] = value
        else:
            made[key] = _each_reference(value, rename)
    return made


def msgspec() -> Any:
    """There, where somebody has a class of it."""
    return importlib.import_module("msgspec")
