"""Every way in which a settings file can be wrong is one message that names the file and the key."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import typer

from fc2conv_cli.cli import app
from fc2conv_cli.errors import SettingsError
from fc2conv_cli.settings.command import commands_of
from fc2conv_cli.settings.files import nearest
from fc2conv_cli.settings.options import options_of
from fc2conv_cli.settings.values import FileValue, file_values


def values(folder: Path, text: str) -> dict[str, dict[str, FileValue]]:
    (folder / "fc2conv.toml").write_text(text)
    file = nearest(folder)
    assert file is not None
    group: Any = typer.main.get_command(app)
    ctx = group.make_context("fc2conv", ["explain", "x"])
    return file_values(file, {name: options_of(c) for name, c in commands_of(ctx).items()}, ctx)


def test_a_common_key_is_for_every_command_that_has_it(tmp_path: Path) -> None:
    found = values(tmp_path, "samples = 9\n[convert]\nsamples = 8\nstrict = true")
    assert found["verify"]["samples"].value == 9
    assert found["convert"]["samples"].value == 8
    assert found["convert"]["strict"].value is True
    assert "samples" not in found["inspect"]


def test_common_tolerances_do_not_judge_saved_reports_again(tmp_path: Path) -> None:
    found = values(tmp_path, "rtol = 1\noutput-format = 'json'\n[report]\natol = 0.5")
    assert found["report"].keys() == {"output-format", "atol"}
    assert found["verify"].keys() == {"output-format", "rtol"}


def test_underscores_a_single_string_and_paths(tmp_path: Path) -> None:
    found = values(tmp_path, "output_file = 'r.txt'\nonly = 'a*'\nskip = ['b', 'c']")
    assert found["verify"]["output-file"].value == str(tmp_path / "r.txt")  # as seen from the file
    assert found["inspect"]["only"].value == ["a*"]
    assert found["inspect"]["skip"].value == ["b", "c"]


@pytest.mark.parametrize(
    ("text", "words", "hint"),
    [
        ("rtoll = 1", "fc2conv.toml: rtoll is no setting", "Did you mean 'rtol'?"),
        ("zzzz = 1", "zzzz is no setting", "The keys are: accept-ill-conditioned"),
        ("[verify]\nstrict = true", "[verify] strict is no setting", "It belongs into [convert]."),
        ("[verfy]\nseed = 1", "verfy is no setting", "Did you mean 'verify'?"),
        ("verify = 3", "verify is 3, and not a table", "Write a table: [verify]"),
        ("samples = '4'", "samples is '4', and not an integer", ""),
        ("samples = 4.0", "samples is 4.0, and not an integer", ""),
        ("samples = true", "samples is True, and not a number or a string", ""),
        ("samples = 0", "samples is 0: ", ""),
        ("atol = true", "atol is True, and not a number, a string or a list of them", ""),
        ("atol = 'y=x'", "atol is 'y=x': ", ""),
        ("atol = -1", "atol is -1: ", ""),
        ("tokens = 'depth'", "tokens is 'depth': ", ""),
        ("output-format = 1", "output-format is 1", ""),
        ("output-file = 1", "output-file is 1", ""),
        ("strict = 'yes'", "strict is 'yes', and not true or false", ""),
        ("strict = 1", "strict is 1, and not true or false", ""),
        ("only = 3", "only is 3, and not a string or a list of strings", ""),
        ("only = [3]", "only is [3], and not a string or a list of strings", ""),
        ("seed = 2024-01-01", "and not a number or a string", ""),
        ("io-layout = 'keep'\nio_layout = 'keep'", "io-layout stands there twice", "Keep one"),
        ("unsafe-load = true", "unsafe-load may not stand in a file", "command line"),
        ("[convert]\nmodel = 'a:b'", "[convert] model may not stand in a file", "It lets code run"),
        ("import-path = ['.']", "import-path may not stand in a file", "It lets code run"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, words: str, hint: str) -> None:
    with pytest.raises(SettingsError) as caught:
        values(tmp_path, text)
    assert caught.value.message.startswith(str(tmp_path / "fc2conv.toml"))
    assert words in caught.value.message
    assert hint in caught.value.hint
    assert caught.value.exit_code == 2
