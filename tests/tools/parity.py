"""Checks that the packages of Python and Node offer the same: classes, their members, each setting and option by name.

Names are compared in Python's spelling and without the unit of time that Node writes behind them (``timeoutMs`` is
``timeout``). What stands in one package only must stand in ``tests/parity.toml`` with a reason; what stands there and
is no difference any more is told, too. Ends with 1 and names everything that is wrong.
"""

import json
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import tomllib

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))

Surface = Mapping[str, Mapping[str, Any]]


#: Words that a language or the original forces on us, and the one that they are compared under.
SYNONYMS = {
    "aclose": "close",
    "args": "arguments",
    "from": "first",
    "ms": "seconds",
    "maxlen": "max_len",
    "payload": "body",
    "to": "last",
}


def spelled(name: str) -> str:
    """A name as Python spells it, without a unit of time."""
    if name[:1].isupper():
        return name
    plain = re.sub(r"_ms$", "", re.sub(r"[A-Z]", lambda letter: f"_{letter[0].lower()}", name)).strip("_")
    return SYNONYMS.get(plain, plain)


def shared(surface: Surface, other: Surface) -> Surface:
    """Without what has no twin by its nature: names of types, and bags of options (told where they are taken)."""
    kept: dict[str, Mapping[str, Any]] = {}
    for name, part in surface.items():
        twin = other.get(name)
        if part["kind"] == "namespace" and twin is not None:
            kept[name] = {**part, "members": shared(part["members"], twin["members"])}
        elif twin is not None or part["kind"] in ("class", "function"):
            kept[name] = part if twin is None or twin.get("words") else {**part, "words": []}
    return kept


def rows(surface: Surface, *, within: str = "") -> Iterator[str]:
    """Everything that a surface offers, one line each: ``Bus``, ``Bus.close``, ``Bus.close(timeout)``."""
    for name, part in surface.items():
        path = f"{within}{spelled(name)}"
        if part["kind"] == "namespace":
            yield from rows(part["members"], within=f"{path}.")
            continue
        yield path
        yield from (f"{path}({spelled(word)})" for word in part.get("words") or ())
        for member, words in part.get("members", {}).items():
            yield f"{path}.{spelled(member)}"
            yield from (f"{path}.{spelled(member)}({spelled(word)})" for word in words or ())


def differences(python: Iterable[str], node: Iterable[str]) -> list[str]:
    """What only one of them has: ``node: Bus.topology``. Of what lacks as a whole, only the whole is told."""
    sides = {"python": set(python), "node": set(node)}
    found: list[str] = []
    for side, other in (("python", "node"), ("node", "python")):
        lacking = sides[side] - sides[other]
        for row in lacking:
            wholes = {row[:at] for at, letter in enumerate(row) if letter in ".("}
            if not wholes & lacking:
                found.append(f"{side}: {row}")
    return sorted(found)


def problems(found: Iterable[str], known: Mapping[str, str]) -> list[str]:
    """What is not as it was said, one sentence each."""
    told: list[str] = []
    used: set[str] = set()
    for row in found:
        reasons = [pattern for pattern in known if fnmatchcase(row, pattern.replace("[", "[[]"))]
        used.update(reasons)
        if not reasons:
            side, _, name = row.partition(": ")
            told.append(
                f"{name} is in {'Python' if side == 'python' else 'Node'} only, and tests/parity.toml says not why"
            )
    told += [f"tests/parity.toml: {pattern!r} is no difference (any more)" for pattern in known if pattern not in used]
    told += [f"tests/parity.toml: {pattern!r} has no reason" for pattern, why in known.items() if not why.strip()]
    return told


def surfaces() -> tuple[Surface, Surface]:
    """Those of Python and of Node, as they are built."""
    import stargazer_core as sg
    from stargazer_core import platform, store
    from stargazer_core.platform import redis
    from tools.surface import surface_of

    python = surface_of(sg, [name for name in sg.__all__ if name != "platform"])
    for module in (platform, redis, store):
        python |= surface_of(module, module.__all__)
    library = ROOT / "tools/typedoc/node_modules/typescript"
    built = ROOT / "bindings/node/lib/index.d.ts"
    listed = subprocess.run(
        ["node", str(Path(__file__).with_name("surface.mjs")), str(library), str(built)],
        check=True,
        stdout=subprocess.PIPE,
    )
    return python, json.loads(listed.stdout)


def main() -> None:
    from tools.report import end

    python, node = surfaces()
    known = tomllib.loads((ROOT / "tests/parity.toml").read_text())["only"]
    ours, theirs = set(rows(shared(python, node))), set(rows(shared(node, python)))
    shares = f"{len(ours & theirs)} names that Python and Node share, {len(known)} differences with a reason"
    end(problems(differences(ours, theirs), known), shares)


if __name__ == "__main__":
    main()
