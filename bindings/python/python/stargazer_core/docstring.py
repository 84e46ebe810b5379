"""Docstrings of tools: what the function does, and what its parameters mean."""

from __future__ import annotations

import inspect
import re

__all__ = ["described"]

_SECTION = re.compile(
    r"(args|arguments|parameters|params|returns?|raises|yields?|examples?|notes?|see also|attributes|warnings?):", re.I
)
_PARAMETERS = ("args", "arguments", "parameters", "params")
_ENTRY = re.compile(r"\*{0,2}(\w+)\s*(?:\([^)]*\))?\s*:\s*(.*)")
_FIELD = re.compile(r":param\s+(?:[^:]*\s)?\*{0,2}(\w+):\s*(.*)")


def described(docstring: str | None) -> tuple[str, dict[str, str]]:
    """The text before the first section, and the description of each parameter.

    Read are the section ``Args:`` (with its other names) and fields ``:param name:``.
    """
    text: list[str] = []
    parameters: dict[str, list[str]] = {}
    section, last, indent = "", "", 0
    for line in inspect.cleandoc(docstring or "").splitlines():
        bare = line.strip()
        depth = len(line) - len(line.lstrip())
        if depth == 0 and (heading := _SECTION.fullmatch(bare)):
            section, last = heading[1].lower(), ""
        elif field := _FIELD.fullmatch(bare):
            section, last, indent = "fields", field[1], depth
            parameters[last] = [field[2]]
        elif bare.startswith(":") and depth == 0:
            section, last = "fields", ""
        elif section in _PARAMETERS and bare and depth > 0:
            entry = _ENTRY.fullmatch(bare)
            if entry and (not last or depth <= indent):
                last, indent = entry[1], depth
                parameters[last] = [entry[2]]
            elif last:
                parameters[last].append(bare)
        elif section == "fields" and last and depth > indent:
            parameters[last].append(bare)
        elif not section or (depth == 0 and bare and section in _PARAMETERS):
            # A paragraph after the arguments belongs to the text again.
            section = ""
            text.append(line)
    joined = {name: " ".join(filter(None, lines)) for name, lines in parameters.items()}
    return "\n".join(text).strip(), {name: line for name, line in joined.items() if line}
