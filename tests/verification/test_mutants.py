"""The gate: what is wrong beyond the tolerance does not pass, what is right does. The table is docs/mutants.md."""

from __future__ import annotations

import runpy
import subprocess
import sys
from pathlib import Path

import pytest
from battery import Battery
from harmless import HARMLESS, Harmless
from helpers import SAMPLES
from mutants import MUTANTS, Mutant
from subjects import BUILDERS, layers

from fc2conv_cli import verify

DOCS = SAMPLES.parent / "docs"
COMMAND = str(Path(sys.executable).with_name("fc2conv"))


@pytest.fixture(scope="session")
def battery(tmp_path_factory: pytest.TempPathFactory) -> Battery:
    return Battery(tmp_path_factory.mktemp("battery"))


@pytest.mark.parametrize("name", BUILDERS)
def test_every_mutant_above_the_tolerance_fails(battery: Battery, name: str) -> None:
    outcomes = {m.title: battery.outcome(name, m) for m in MUTANTS}
    found = {title: o for title, o in outcomes.items() if o is not None}
    assert sum(o.effect.above for o in found.values()) >= 10, "the model hardly tells mutants apart"
    assert [title for title, o in found.items() if o.is_hole] == []
    # A file that cannot be compared at all would stop the pipeline too, but not with what is wrong.
    assert [title for title, o in found.items() if o.refused] == []


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda m: m.title)
def test_every_mutant_is_wrong_somewhere(battery: Battery, mutant: Mutant) -> None:
    outcomes = [battery.outcome(name, mutant) for name in BUILDERS]
    assert any(o is not None and o.effect.above and o.stopped for o in outcomes)


@pytest.mark.parametrize("name", BUILDERS)
def test_harmless_changes_pass(battery: Battery, name: str, tmp_path: Path) -> None:
    subject = battery.subject(name)
    assert verify(subject.original, subject.converted).passed
    failed, applied = [], 0
    for change in HARMLESS:
        folder = tmp_path / change.title.replace("/", "_")
        folder.mkdir()
        path = change.make(subject, folder)
        if path is not None:
            applied += 1
            report = verify(subject.original, path)
            failed += [] if report.passed else [f"{change.title}: {report}"]
    assert applied >= 10
    assert failed == []


@pytest.mark.parametrize("change", HARMLESS, ids=lambda c: c.title)
def test_every_harmless_change_changes_the_file(battery: Battery, change: Harmless, tmp_path: Path) -> None:
    subject = battery.subject("transformer_encoder")
    path = change.make(subject, tmp_path)
    assert path is not None
    assert path.read_bytes() != subject.converted.read_bytes()


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("digits_cnn", "kernel rotated"),
        ("mlp", "stale external data file"),
        ("qdq", "input declared with a frozen batch"),
        ("digits_cnn_int8", "the largest weight of the last layer off by 1 %"),
        ("two_heads", "outputs reordered"),
    ],
)
def test_the_command_exits_with_1(battery: Battery, tmp_path: Path, name: str, title: str) -> None:
    subject = battery.subject(name)
    path = next(m for m in MUTANTS if m.title == title).make(subject, tmp_path)
    done = subprocess.run([COMMAND, "verify", subject.original, str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    assert "DIFFERENT" in done.stdout
    assert done.stderr == ""


def test_the_layers_are_found_that_the_mutants_break(battery: Battery) -> None:
    counts = {name: len(layers(battery.subject(name).proto())) for name in BUILDERS}
    assert counts["transformer_encoder"] == 8
    assert all(counts.values())


def test_the_page_says_what_a_run_says(battery: Battery) -> None:
    script = runpy.run_path(str(DOCS / "make_mutants.py"))
    made = script["page"](battery.all)
    print(made)  # noqa: T201  # the table, with pytest -s
    kept = (DOCS / "mutants.md").read_text(encoding="utf-8")
    assert script["verdicts"](made) == script["verdicts"](kept), "run: python docs/make_mutants.py"
