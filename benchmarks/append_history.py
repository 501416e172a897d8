"""Keep a figure of a benchmark: one row of benchmarks/history.json for each run worth remembering.

    python benchmarks/append_history.py RESULT.json KEY [KEY ...] --name "what it is" --unit s

``KEY ...`` is the way to a number in the JSON that a benchmark has written, such as ``results "real, 2" workers_s``.
Commit, processor and load come from the same file, so that a figure is never read without them.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from harness import CHECKOUT, write_json

HISTORY = CHECKOUT / "benchmarks" / "history.json"
KEPT = ("commit", "time", "cpu", "cores", "load_average", "python")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("result", type=Path)
    parser.add_argument("keys", nargs="+")
    parser.add_argument("--name", required=True)
    parser.add_argument("--unit", required=True)
    parser.add_argument("--history", type=Path, default=HISTORY)
    arguments = parser.parse_args()
    content = json.loads(arguments.result.read_text(encoding="utf-8"))
    value = content
    for key in arguments.keys:
        value = value[int(key) if isinstance(value, list) else key]
    if not isinstance(value, int | float):
        parser.error(f"{' / '.join(arguments.keys)} is no number: {str(value)[:80]}")
    rows = (
        json.loads(arguments.history.read_text(encoding="utf-8"))["rows"]
        if arguments.history.exists()
        else []
    )
    machine = {key: content["machine"].get(key) for key in KEPT}
    rows.append({"name": arguments.name, "value": value, "unit": arguments.unit, **machine})
    write_json(arguments.history, {"rows": rows})
    print(f"{arguments.name}: {value:g} {arguments.unit} ({len(rows)} rows in {arguments.history.name})")


if __name__ == "__main__":
    main()
