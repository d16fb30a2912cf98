"""The bars: what is allowed, the table, and a run on the smallest of the models."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from benchmarks import bars, models
from benchmarks.bars import BARS, BEGIN, END, HEAD, Bar, row
from benchmarks.measuring import Cost

MB = 10**6
TINY = Bar("a tiny model", "mlp", ("--no-verify",), lambda cp: 1.0 + 2 * cp, lambda size: 100 * MB + 3 * size)


def cost(seconds: float, megabytes: float = 10, *, code: int = 0) -> Cost:
    return Cost(seconds, seconds, int(megabytes * MB), code, late=False, said="no such file")


def cells(text: str) -> list[str]:
    return [cell.strip() for cell in text.strip("|").split("|")]


def test_a_row_has_medians_beside_what_they_allow() -> None:
    copies = [cost(0.5), cost(9.0), cost(0.25)]
    costs = [cost(1.75, 130), cost(1.5, 90), cost(30.0, 100)]
    assert cells(row(TINY, 10 * MB, copies, costs)) == [
        "a tiny model",
        "10.0 MB",
        "0.50",
        "1.75 of 2.00",
        "100 of 130",
        "3",
    ]


def test_what_is_over_its_bar_is_bold_and_what_is_on_it_is_not() -> None:
    assert cells(row(TINY, 10 * MB, [cost(0.5)], [cost(2.0, 130)]))[3:5] == ["2.00 of 2.00", "130 of 130"]
    assert cells(row(TINY, 10 * MB, [cost(0.5)], [cost(2.01, 131)]))[3:5] == ["**2.01 of 2.00**", "**131 of 130**"]


def test_without_a_bar_there_is_a_figure_alone() -> None:
    bar = Bar("deep", "deep", ())
    assert cells(row(bar, 89_000, [cost(0.5)], [cost(70.0, 1628)])) == ["deep", "89 kB", "0.50", "70.00", "1,628", "1"]


def allowed(what: str, model: str) -> tuple[float | None, float | None]:
    """Seconds if cp takes 2, and MB for a model of 500 MB."""
    (bar,) = [bar for bar in BARS if (bar.what, bar.model) == (what, model)]
    return (
        None if bar.seconds is None else bar.seconds(2.0),
        None if bar.memory is None else bar.memory(500 * MB) / MB,
    )


def test_the_bars_are_those_that_were_agreed() -> None:
    largest = 4 * 8192**2 / MB
    assert allowed("external data, weights stay as they are", "external_out_in") == (4.0, 200)
    assert allowed("external data, weights are transposed", "external_in_out") == (9.0, 200 + 2 * largest)
    assert allowed("one file", "vgg11") == (pytest.approx(13.2), pytest.approx(150 + 2.2 * 500))
    assert allowed("`--share-weights`", "external_out_in") == (1.0, None)
    assert allowed("16,000 nodes, 8,000 layers", "deep") == (12.0, None)
    assert allowed("a tiny model, verified", "mlp") == (1.2, None)


def test_the_largest_tensor_is_that_of_the_model() -> None:
    _, weights = models.chain(1, 8192, transposed=True)
    assert [weight.nbytes for weight in weights] == [bars.LARGEST]


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bars, "PAUSE", 0.0)
    monkeypatch.setattr(bars, "BARS", (TINY, Bar("verified", "mlp", ("--samples", "1"), runs=1)))


@pytest.mark.usefixtures("short")
def test_a_run_writes_its_table_between_markers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"# Performance\n\n## Bars\nbefore\n{BEGIN}\nold\n{END}\nafter\n")
    bars.main(["--folder", str(tmp_path / "bars"), "--runs", "2", "--page", str(page)])
    text = page.read_text()
    before, _, rest = text.partition(f"{BEGIN}\n")
    table, _, after = rest.partition(f"\n{END}")
    assert (before, after) == ("# Performance\n\n## Bars\nbefore\n", "\nafter\n")
    assert capsys.readouterr().out == f"{table}\n"
    lines = table.splitlines()
    assert lines[:2] == list(HEAD)
    assert [cells(line)[0] for line in lines[2:]] == ["a tiny model", "verified"]
    assert [cells(line)[-1] for line in lines[2:]] == ["2", "1"]
    for line in lines[2:]:
        assert len(cells(line)) == len(cells(HEAD[0]))
        assert re.fullmatch(r"\d+\.\d\d", cells(line)[2])
    assert re.search(r"[1-9]", cells(lines[3])[4])  # it took memory
    assert sorted(file.name for file in (tmp_path / "bars").iterdir()) == ["log", "mlp.onnx"]


@pytest.mark.usefixtures("short")
def test_a_command_that_fails_ends_it_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bars, "BARS", (Bar("wrong", "mlp", ("--no-such-option",)),))
    with pytest.raises(SystemExit) as ended:
        bars.main(["--folder", str(tmp_path), "--runs", "1"])
    assert "fc2conv_cli convert" in str(ended.value)
    assert "exit code 2" in str(ended.value)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nothing"], "no model nothing; there are external_out_in, "),
        (["mlp", "--page", "page.md"], "--page: the table there has all models; name none"),
        (["--runs", "0"], "'0' is no number from 1 up"),
    ],
)
def test_what_cannot_be_measured_is_refused(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        bars.main(words)
    assert ended.value.code == 2
    assert said in capsys.readouterr().err


def test_each_model_can_be_made() -> None:
    ours = {"mlp", "deep", "half_as_deep"}
    assert {bar.model for bar in BARS} <= ours | set(models.MODELS)


@pytest.mark.usefixtures("short")
def test_ctrl_c_leaves_the_rows_so_far(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "page.md"
    page.write_text("as it was")
    calls = 0

    def stopped(command: list[object], *given: object) -> Cost:
        nonlocal calls
        calls += 1
        if calls == 4:  # in the conversion of the second bar
            (tmp_path / "bars" / "out.onnx").write_text("half a file")
            (tmp_path / "bars" / ".fc2conv-x").mkdir()
            (tmp_path / "bars" / ".fc2conv-x.onnx").write_text("half a file")
            raise KeyboardInterrupt
        return cost(1.0)

    monkeypatch.setattr(bars, "run", stopped)
    with pytest.raises(SystemExit) as ended:
        bars.main(["--folder", str(tmp_path / "bars"), "--runs", "1", "--page", str(page)])
    said = capsys.readouterr()
    assert ended.value.code == 130
    assert [cells(line)[0] for line in said.out.splitlines()[2:]] == ["a tiny model"]
    assert said.err.splitlines() == [
        "mlp: a tiny model",
        "mlp: verified",
        "interrupted; the rows above are measured, no page is written",
    ]
    assert sorted(file.name for file in (tmp_path / "bars").iterdir()) == ["mlp.onnx"]
    assert page.read_text() == "as it was"


def test_a_model_whose_writing_was_stopped_is_not_there(tmp_path: Path) -> None:
    def stopped(path: Path) -> None:
        path.with_name("m.onnx.data").write_text("half")
        path.write_text("half")
        raise KeyboardInterrupt

    def write(path: Path) -> None:
        path.write_text("whole")

    with pytest.raises(KeyboardInterrupt):
        models.write_once(tmp_path / "m.onnx", stopped)
    assert not (tmp_path / "m.onnx").exists()
    assert models.write_once(tmp_path / "n.onnx", write).read_text() == "whole"
    assert [file.name for file in tmp_path.iterdir()] == ["n.onnx"]
    assert models.write_once(tmp_path / "n.onnx", stopped).read_text() == "whole"
