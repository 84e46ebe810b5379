"""Checks that each language's suite covers each behaviour of ``tests/scenarios.toml``.

The names come from the runners: cargo lists its tests, pytest collects its own, and Node's suite leaves the report of
its last run.
Prints how many behaviours are covered, or names every one that is not and ends with 1.
"""

import re
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import tomllib

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))
LANGUAGES = ("rust", "python", "node")


def rust_names(listing: str) -> set[str]:
    """Names in the output of ``cargo test -- --list``, without their modules."""
    return {match.rsplit("::", 1)[-1] for match in re.findall(r"^(\S+): test$", listing, re.MULTILINE)}


def python_names(listing: str) -> set[str]:
    """Names in the output of ``pytest --collect-only -q``, without ``test_`` and parameters."""
    return set(re.findall(r"^\S+\.py(?:::\w+)*::test_(\w+)(?:\[.*\])?$", listing, re.MULTILINE))


def node_names(report: str) -> set[str]:
    """Titles of the top-level tests that ran, in a TAP report; skipped and to-do ones do not count."""
    return set(re.findall(r"^(?:not )?ok \d+ - ([^#\n]*?)\s*$", report, re.MULTILINE))


def problems(scenarios: Iterable[Mapping[str, Any]], covered: Mapping[str, set[str]]) -> list[str]:
    """What is wrong, one sentence each: with the list itself, and with the suites."""
    found: list[str] = []
    seen: set[str] = set()
    for number, scenario in enumerate(scenarios, 1):
        name = str(scenario.get("id", ""))
        if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
            found.append(f"scenario {number}: no id, or one that is no name: {name!r}")
            continue
        if name in seen:
            found.append(f"{name}: stands there twice")
        seen.add(name)
        if not str(scenario.get("says", "")).strip():
            found.append(f"{name}: says nothing")
        if unknown := set(scenario) - {"id", "says", "languages", "without"}:
            found.append(f"{name}: unknown keys {sorted(unknown)}")
        languages = list(scenario.get("languages", []))
        without = scenario.get("without", {})
        for language in sorted({*languages, *without} - set(LANGUAGES)):
            found.append(f"{name}: unknown language {language!r}")
        for language in LANGUAGES:
            if (language in languages) == bool(without.get(language)):
                found.append(f"{name}: {language} is neither among the languages nor left out with a reason, or both")
            elif re.search(r"\b(yet|todo)\b", str(without.get(language, "")), re.IGNORECASE):
                found.append(f"{name}: {language} is left out, and a missing test is no reason")
            elif language in languages and name not in covered[language]:
                found.append(f"{name}: no test in {language}")
    return found


def _output(*command: str) -> str:
    return subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout


def _listed() -> dict[str, set[str]]:
    report = ROOT / "tests/node/build/results.tap"
    if not report.is_file():
        sys.exit("the Node suite has not run yet: make test-node")
    return {
        "rust": rust_names(
            _output("cargo", "test", "--quiet", "-p", "stargazer-tests", "--test", "suite", "--", "--list")
        ),
        "python": python_names(_output(sys.executable, "-m", "pytest", "--collect-only", "-q", "tests/python")),
        "node": node_names(report.read_text()),
    }


def main() -> None:
    from tools.report import end

    scenarios = tomllib.loads((ROOT / "tests/scenarios.toml").read_text()).get("scenario", [])
    end(problems(scenarios, _listed()), f"{len(scenarios)} behaviours, each covered by every language that owes it")


if __name__ == "__main__":
    main()
