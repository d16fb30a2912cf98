"""Makes docs/mutants.md from the battery in tests/verification: ``python docs/make_mutants.py``."""

from __future__ import annotations

import re
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "verification")]

if TYPE_CHECKING:
    from battery import Outcome

    Outcomes = Mapping[str, Mapping[str, Outcome]]

HEAD = """# Mutants

Right conversions that were broken on purpose, and what `fc2conv verify` says of them with its default settings. Made by
`python docs/make_mutants.py`; `tests/verification/test_mutants.py` does all of it again and compares the verdicts.

The effect of a mutant is not what fc2conv measures of it. The tests run it in onnxruntime themselves, on {runs} other
inputs at sizes {sizes} of each dynamic dim, against the conversion before it was broken. *Effect* is the largest
difference there, *allowed* what the tolerance of that run allows; or it says what is wrong beyond numbers. A mutant
whose effect is above what is allowed has to fail. One that is below may pass: it is as good as the original on
these inputs (a weight behind a Relu that is never above 0, a bias that is 0, two layers with the same weights, one
weight of 600,000).

Numbers are rounded, and may differ in the last digit on another processor.
"""

HARMLESS_HEAD = """## Changes that do no harm
Each of these, made to each of the models above where it applies, passes with the default settings:
"""

LIMITS = """## What no run shows
A comparison sees what it runs. By default dynamic dims are at 1 and 3, and once at 5 or 7: a model that is wrong at
batch 4 only, or at the eighth token only, passes. Inputs are N(0, 1): so does one that is wrong for larger values
only. In a quantised model one wrong weight may change the rounded output in one run of ten or of a hundred; that is why
quantised models are compared on four times as many inputs. Of a large table that integers look up, a few dozen rows
are read. `--samples` takes more. Where most of an output sits on its bounds (a Sigmoid or Clip at the end), smaller
inputs are tried, down to 4e-6 of N(0, 1); bounds in the middle of a model are not looked for. Inputs with a default
take other floats, never other integers; what was not varied is noted.
"""


def page(outcomes: Outcomes) -> str:
    """The whole page."""
    from effects import RUNS, SIZES
    from harmless import HARMLESS

    listed = ", ".join(map(str, SIZES[:-1])) + f" and {SIZES[-1]}"
    everything = [o for row in outcomes.values() for o in row.values()]
    above = [o for o in everything if o.effect.above]
    lines = [HEAD.format(runs=RUNS, sizes=listed)]
    kinds, holes = {title for row in outcomes.values() for title in row}, sum(o.is_hole for o in above)
    lines.append(
        f"{len(kinds)} mutants of {len(outcomes)} models: {len(everything)} broken files, {len(above)} of them wrong "
        f"beyond the tolerance. {holes} of those pass.\n"
    )
    for name, row in outcomes.items():
        lines += [f"## {name}", "| mutant | effect | allowed | verdict |", "|---|---|---|---|"]
        lines += [f"| {title} | {_effect(o)} | {_allowed(o)} | {o.verdict} |" for title, o in row.items()]
        lines.append("")
    lines += [HARMLESS_HEAD, *(f"- {change.title}" for change in HARMLESS), "", LIMITS]
    return "\n".join(lines).rstrip("\n") + "\n"


def _effect(outcome: Outcome) -> str:
    return outcome.effect.fault or f"{outcome.effect.delta:.1g}"


def _allowed(outcome: Outcome) -> str:
    return "" if outcome.effect.fault else f"{outcome.effect.allowed:.1g}"


def verdicts(text: str) -> list[tuple[str, str, str]]:
    """Model, mutant and verdict of every row, without the numbers: they depend on the processor in the last digit."""
    found, model = [], ""
    for line in text.splitlines():
        if line.startswith("## "):
            model = line[3:]
        elif row := re.fullmatch(r"\| (.+) \| (.*) \| (.*) \| (passes|fails|PASSES)\b.* \|", line):
            found.append((model, row[1], row[4]))
    return found


def main() -> None:
    """Run the battery and write the page."""
    from battery import Battery

    with tempfile.TemporaryDirectory() as folder:
        text = page(Battery(Path(folder)).all)
    Path(__file__).with_name("mutants.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
