"""What the Python package offers, as plain values: see ``surface.mjs`` for the same of the Node package.

Of each public class and module its members, and of each member that can be called the words that it takes.
"""

import inspect
import re
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any, is_typeddict

Words = list[str] | None


def words_of(function: Callable[..., Any]) -> list[str]:
    """Names of what it takes; settings by their own names."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return []
    words: set[str] = set()
    for parameter in parameters:
        if parameter.name in ("self", "cls"):
            continue
        settings = re.search(r"Unpack\[(\w+)\]", str(parameter.annotation))
        words |= set(_settings(settings[1])) if settings else {parameter.name}
    return sorted(words)


def _settings(name: str) -> list[str]:
    for module in [value for key, value in sys.modules.items() if key.startswith("stargazer_core")]:
        found: Any = getattr(module, name, None)
        if is_typeddict(found):
            return sorted(found.__required_keys__ | found.__optional_keys__)
    raise LookupError(f"no settings are called {name}")


def members_of(kind: type) -> dict[str, Words]:
    """Public members; what cannot be called has no words."""
    found: dict[str, Words] = {}
    for owner in reversed(kind.__mro__):
        if owner.__module__.partition(".")[0] != "stargazer_core":
            continue
        found |= {name: None for name in inspect.get_annotations(owner) if not name.startswith("_")}
        for name, value in owner.__dict__.items():
            if not name.startswith("_"):
                plain = value.__func__ if isinstance(value, staticmethod | classmethod) else value
                found[name] = words_of(plain) if callable(plain) else None
    return found


def surface_of(module: ModuleType, names: list[str]) -> dict[str, dict[str, Any]]:
    """Everything that is public under these names."""
    found: dict[str, dict[str, Any]] = {}
    for name in names:
        value = getattr(module, name)
        if isinstance(value, ModuleType):
            found[name] = {"kind": "namespace", "members": surface_of(value, value.__all__)}
        elif is_typeddict(value):
            found[name] = {"kind": "type", "members": dict.fromkeys(value.__required_keys__ | value.__optional_keys__)}
        elif inspect.isclass(value):
            found[name] = {"kind": "class", "words": words_of(value), "members": members_of(value)}
        elif inspect.isfunction(value) or inspect.isbuiltin(value):
            found[name] = {"kind": "function", "words": words_of(value)}
        else:
            found[name] = {"kind": "value"}
    return found
