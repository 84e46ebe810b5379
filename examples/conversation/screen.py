"""What a run shows: a bar while it goes on, a table when it is over."""

import sys
import time
from collections.abc import Mapping, Sequence

WIDTH = 30
# How often a log gets a line where there is no terminal.
SELDOM = 5.0


class Bar:
    """How far a run is, on the error stream: a line written over and over on a terminal, now and then one elsewhere."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._start = time.monotonic()
        self._terminal = sys.stderr.isatty()
        self._last = self._start

    def show(self, published: float, answered: float, note: str = "") -> None:
        """The shares of what was published and of what was answered."""
        now = time.monotonic()
        if not self._terminal and now - self._last < SELDOM:
            return
        self._last = now
        full, half = (int(WIDTH * share) for share in (answered, published))
        bar = "█" * full + "░" * max(0, half - full)
        text = f"{self._title} [{bar:<{WIDTH}}] {answered:4.0%} answered, {now - self._start:3.0f} s {note}"
        print(
            f"\r\x1b[2K{text}" if self._terminal else text,
            end="" if self._terminal else "\n",
            file=sys.stderr,
            flush=True,
        )

    def clear(self) -> None:
        """Takes the line away."""
        if self._terminal:
            print("\r\x1b[2K", end="", file=sys.stderr, flush=True)


def table(rows: Sequence[Mapping[str, object]]) -> str:
    """Rows under their names; numbers to the right."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    cells = [[_cell(row.get(name, "")) for name in names] for row in rows]
    widths = [max(len(name), *(len(line[n]) for line in cells)) for n, name in enumerate(names)]
    lines = ["  ".join(name.rjust(width) for name, width in zip(names, widths, strict=True))]
    lines += ["  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)) for line in cells]
    return "\n".join(lines)


def _cell(value: object) -> str:
    return f"{value:.1f}" if isinstance(value, float) else str(value)
