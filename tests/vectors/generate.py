"""Writes ``envelope.json``: what bodies look like, by an encoder that is not ours (msgpack-python).

In the folder ``tests``: ``python -m vectors.generate`` writes the file, ``python -m vectors.generate --check`` says
whether it is what would be written. Vectors are only added: what stands in the file stays there for ever, so that a
later version still reads what this one wrote.
"""

import json
import sys
from pathlib import Path

from vectors.beside import dead_letters, messages
from vectors.events import events, refused_events
from vectors.kinds import accepted, tolerated
from vectors.refused import just_fit, refused
from vectors.values import other_forms, values

FILE = Path(__file__).resolve().parent / "envelope.json"


def rendered() -> str:
    sections = {
        "values": values(),
        "other_forms": other_forms(),
        "accepted": accepted(),
        "tolerated": tolerated(),
        "refused": refused(),
        "just_fit": just_fit(),
        "events": events(),
        "refused_events": refused_events(),
        "messages": messages(),
        "dead_letters": dead_letters(),
    }
    # A row a line, so that a change shows as the row that changed.
    lines = ["{"]
    for n, (section, rows) in enumerate(sections.items()):
        lines.append(f'  "{section}": [')
        lines += [
            "    " + json.dumps(row, ensure_ascii=True, allow_nan=False) + ("," if i < len(rows) - 1 else "")
            for i, row in enumerate(rows)
        ]
        lines.append("  ]" + ("," if n < len(sections) - 1 else ""))
    return "\n".join([*lines, "}", ""])


def main() -> int:
    if "--check" not in sys.argv[1:]:
        FILE.write_text(rendered(), encoding="utf-8")
        return 0
    if FILE.read_text(encoding="utf-8") == rendered():
        return 0
    print(f"{FILE.name} is not what {Path(__file__).name} writes: run it and look at the difference", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
