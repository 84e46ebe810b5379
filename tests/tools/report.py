"""How a check of this folder ends."""

import sys
from collections.abc import Sequence


def end(problems: Sequence[str], otherwise: str) -> None:
    """Names every problem and ends with 1; without any, says what was found instead."""
    for problem in problems:
        print(problem, file=sys.stderr)
    if problems:
        sys.exit(1)
    print(otherwise)
