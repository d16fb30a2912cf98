"""The table of imports, from what Python says of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import imports

SAID = """\
import time: self [us] | cumulative | imported package
import time:       400 |        400 |   _io
import time:      1000 |       1400 | json.decoder
a warning that something else printed
import time:    250000 |     900000 |     sympy.core
import time:     50000 |    1000000 |   sympy
import time:     10000 |      10000 |       google.protobuf.internal
import time:     20000 |      30000 |     google._upb._message
import time:      1000 |       1000 |       google
import time:     69000 |      69000 |   fc2conv_cli.cli
import time:      1000 |       1000 |   fc2conv_cli.cli
import time:       900 |        900 | tiny
import time:       100 |        100 | tinier.still
wrote out.onnx
"""


def cells(text: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines()]


def test_the_time_of_a_module_is_its_own() -> None:
    found = imports.modules(SAID)
    assert found["sympy"] == 0.05
    assert found["fc2conv_cli.cli"] == pytest.approx(0.07)
    assert len(found) == 10
    assert imports.modules("nothing of the kind\n") == {}


def test_modules_belong_to_packages() -> None:
    assert imports.by_package(imports.modules(SAID)) == {
        imports.PYTHON: pytest.approx(0.0014),
        "sympy": pytest.approx(0.3),
        "google.protobuf": pytest.approx(0.031),
        "fc2conv_cli": pytest.approx(0.07),
        "tiny": pytest.approx(0.0009),
        "tinier": pytest.approx(0.0001),
    }


def test_a_table_has_the_slowest_first_and_the_small_ones_in_a_row() -> None:
    text = imports.table([(imports.modules(SAID), 0.6)])
    assert cells(text)[2:] == [
        ["`sympy`", "2", "300", "74 %"],
        ["`fc2conv_cli`", "1", "70", "17 %"],
        ["`google.protobuf`", "3", "31", "8 %"],
        [f"{imports.PYTHON}, `tiny` and smaller ones (1)", "4", "2", "1 %"],
        ["**all imports**", "10", "403", "100 %"],
        [imports.REST, "", "197", ""],
    ]


def test_figures_are_medians_over_runs_also_of_what_one_run_did_not_import() -> None:
    runs = [({"numpy": 0.1, "rich": 0.2}, 1.0), ({"numpy": 0.3}, 3.0), ({"numpy.core": 0.5, "rich": 0.1}, 2.0)]
    assert cells(imports.table(runs))[2:] == [
        ["`numpy`", "2", "300", "100 %"],
        ["`rich`", "1", "100", "33 %"],
        ["**all imports**", "3", "300", "100 %"],
        [imports.REST, "", "1,700", ""],
    ]


def test_a_run_writes_the_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"# Performance\n\n## Start\n{imports.BEGIN}\nold\n{imports.END}\n\n## Next\n")
    imports.main(["--runs", "1", "--page", str(page)])
    text = page.read_text()
    assert text.startswith(f"# Performance\n\n## Start\n{imports.BEGIN}\nMeasured ")
    assert text.endswith(f" |\n{imports.END}\n\n## Next\n")
    assert "old" not in text.splitlines()
    assert capsys.readouterr().out in text
    packages = " ".join(row[0] for row in cells(text) if len(row) == 4)
    for name in ("numpy", "onnx", "onnxruntime", "onnx_ir", "typer", "google.protobuf", "fc2conv_cli"):
        assert f"`{name}`" in packages


def test_a_conversion_that_fails_has_no_imports_to_show(tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as ended:
        imports.measure(1, tmp_path / "nothing.onnx")
    assert "exit code 2" in str(ended.value)
