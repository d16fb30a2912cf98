"""The installed command takes its settings from files and variables, and the command line goes before both."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer
from helpers import matmul, random, save

from fc2conv_cli.cli import app
from fc2conv_cli.settings.options import negative, options_of, variables

COMMAND = str(Path(sys.executable).with_name("fc2conv"))


def fc2conv(*args: object, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    clean = {name: text for name, text in os.environ.items() if not name.startswith("FC2CONV_")}
    return subprocess.run(
        [COMMAND, *map(str, args)], cwd=cwd, capture_output=True, text=True, check=False, env={**clean, **env}
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save(matmul(["N", 4], random((4, 3))), tmp_path / "m.onnx")
    return tmp_path


def runs(done: subprocess.CompletedProcess[str]) -> int:
    assert done.returncode == 0, done.stderr
    return int(json.loads(done.stdout)["samples"])


def test_command_line_environment_file_default(folder: Path) -> None:
    verify = ("verify", "m.onnx", "m.onnx", "--output-format", "json")
    assert runs(fc2conv(*verify, cwd=folder)) == 4
    (folder / "pyproject.toml").write_text("[tool.fc2conv]\nsamples = 2")
    assert runs(fc2conv(*verify, cwd=folder)) == 2
    (folder / "pyproject.toml").write_text("[tool.fc2conv]\nsamples = 2\n[tool.fc2conv.verify]\nsamples = 3")
    assert runs(fc2conv(*verify, cwd=folder)) == 3
    assert runs(fc2conv(*verify, cwd=folder, FC2CONV_SAMPLES="5")) == 5
    assert runs(fc2conv(*verify, cwd=folder, FC2CONV_SAMPLES="5", FC2CONV_VERIFY_SAMPLES="6")) == 6
    assert runs(fc2conv(*verify, "--samples", "7", cwd=folder, FC2CONV_SAMPLES="5")) == 7


def test_what_is_empty_sets_any_option_back(folder: Path) -> None:
    verify = ("verify", "m.onnx", "m.onnx", "--output-format", "json")
    (folder / "fc2conv.toml").write_text("samples = 2\ninputs = 'none.npz'\natol = 'y=9'\n")
    assert "--atol" not in fc2conv(*verify, cwd=folder).stderr
    assert fc2conv(*verify, cwd=folder).returncode == 2  # there is no such file
    for back in (["--inputs", ""], ["--inputs="]):
        done = fc2conv(*verify, *back, "--samples=", "--atol=", cwd=folder)
        assert runs(done) == 4
        assert json.loads(done.stdout)["outputs"][0]["atol"] == 1e-5
    assert runs(fc2conv(*verify, cwd=folder, FC2CONV_INPUTS="", FC2CONV_SAMPLES="")) == 4
    assert runs(fc2conv(*verify, "--inputs=", cwd=folder, FC2CONV_SAMPLES="5")) == 5
    # what goes before goes before, empty or not
    assert runs(fc2conv(*verify, "--inputs=", cwd=folder, FC2CONV_SAMPLES="5", FC2CONV_VERIFY_SAMPLES="")) == 4
    assert runs(fc2conv(*verify, "--inputs=", cwd=folder, FC2CONV_SAMPLES="", FC2CONV_VERIFY_SAMPLES="5")) == 5
    assert runs(fc2conv(*verify, "--inputs=", "--samples", "6", cwd=folder, FC2CONV_SAMPLES="")) == 6
    (folder / "fc2conv.toml").write_text("samples = 2\nrtol = 1\n[verify]\nsamples = ''\nrtol = []")
    assert runs(fc2conv(*verify, cwd=folder)) == 4


def test_by_construction_every_option_can_be_set_back(folder: Path) -> None:
    """Each one that is set, by what a file can hold, in each of the three ways."""
    group: Any = typer.main.get_command(app)
    values = {"io-layout": "nchw", "tokens": "height", "layout": "isolated", "distribution": "ones", "seed": "7"}
    values |= {"output-format": "json", "samples": "9", "opset": "18", "atol": "1", "rtol": "1"}
    for name in ("convert", "verify", "inspect", "report"):
        keys = {key: values.get(key, "x") for key, option in options_of(group.commands[name]).items()}
        flags = {key for key, option in options_of(group.commands[name]).items() if option.is_flag}
        texts = {key: text for key, text in keys.items() if key not in flags}
        given = [f"--{key}={text}" for key, text in texts.items()]
        assert in_force(folder, name, *given).keys() == texts.keys()
        assert in_force(folder, name, *given, *(f"--{key}=" for key in texts)).keys() <= lists(group, name)
        env = {variables(name, key)[0]: text for key, text in keys.items() if key not in flags}
        env |= {variables(name, key)[0]: "1" for key in flags}
        assert in_force(folder, name, **env).keys() == keys.keys()
        assert in_force(folder, name, **dict.fromkeys(env, "")) == {}
        assert in_force(folder, name, *(f"--{key}=" for key in texts), **env).keys() == flags


def lists(group: Any, name: str) -> set[str]:
    return {key for key, option in options_of(group.commands[name]).items() if option.multiple}


def in_force(folder: Path, *args: str, **env: str) -> dict[str, Any]:
    """What is not at its default."""
    done = fc2conv("config", "--output-format", "json", *args, cwd=folder, **env)
    assert done.returncode == 0, done.stderr
    return {s["key"]: s["value"] for s in json.loads(done.stdout)["settings"] if s["source"] != "default"}


@pytest.mark.parametrize(
    ("setting", "args", "words"),
    [
        ("atol = 'z=1'", ("verify", "m.onnx", "m.onnx"), "--atol comes from {file}: atol."),
        ("inputs = 'none.npz'", ("verify", "m.onnx", "m.onnx"), "--inputs comes from {file}: inputs."),
        ("[inspect]\nonly = 'nobody'", ("inspect", "m.onnx"), "--only comes from {file}: [inspect] only."),
        ("", ("inspect", "m.onnx"), "--only comes from environment variable FC2CONV_ONLY."),
        ("", ("inspect", "m.onnx", "--only", "nope"), None),
    ],
)
def test_an_error_says_where_the_value_came_from(
    folder: Path, setting: str, args: tuple[str, ...], words: str | None
) -> None:
    file = folder / "fc2conv.toml"
    file.write_text(setting)
    done = fc2conv(*args, cwd=folder, **({} if setting else {"FC2CONV_ONLY": "nobody"}))
    assert done.returncode == 2
    assert ("comes from" in done.stderr) == (words is not None)
    assert words is None or words.format(file=file) in done.stderr.splitlines()


def test_a_flag_that_a_file_turns_on_is_turned_off_on_the_command_line(folder: Path) -> None:
    (folder / "fc2conv.toml").write_text("quiet = true\n[convert]\nno-verify = true\ndry-run = true")
    assert fc2conv("inspect", "m.onnx", cwd=folder).stdout == ""
    assert "fully connected" in fc2conv("inspect", "m.onnx", "--no-quiet", cwd=folder).stdout
    done = fc2conv("convert", "m.onnx", "--no-quiet", "--verify", "--no-dry-run", cwd=folder)
    assert "compared in onnxruntime" in done.stdout
    assert "wrote m.conv.onnx" in done.stdout
    assert fc2conv("inspect", "m.onnx", cwd=folder, FC2CONV_QUIET="no").stdout != ""


def test_lists_in_variables_and_a_list_on_the_command_line_replaces_them(folder: Path) -> None:
    (folder / "fc2conv.toml").write_text("only = ['nobody']")
    assert fc2conv("inspect", "m.onnx", cwd=folder).returncode == 2
    assert fc2conv("inspect", "m.onnx", cwd=folder, FC2CONV_ONLY="fc f*").returncode == 0
    assert fc2conv("inspect", "m.onnx", "--only", "fc", cwd=folder, FC2CONV_ONLY="nobody").returncode == 0


def test_what_is_wrong_is_one_message_and_2(folder: Path) -> None:
    done = fc2conv("inspect", "m.onnx", cwd=folder, FC2CONV_VERIFY_SAMPLES="1", FC2CONV_TOKENS="depth")
    assert (done.returncode, done.stdout) == (2, "")
    assert "environment variable FC2CONV_TOKENS is 'depth': " in done.stderr
    (folder / "fc2conv.toml").write_text("[verify]\nsamples = 'many'")
    for args in (("inspect", "m.onnx"), ("verify", "m.onnx", "m.onnx"), ("config",)):  # whatever command is to run
        done = fc2conv(*args, cwd=folder)
        assert (done.returncode, done.stdout) == (2, "")
        assert f"fc2conv: {folder / 'fc2conv.toml'}: [verify] samples is 'many'" in done.stderr
        assert "Traceback" not in done.stderr
    assert fc2conv("verify", "--help", cwd=folder).returncode == 0
    assert fc2conv("--version", cwd=folder).returncode == 0


def test_a_variable_that_is_no_setting_is_noted(folder: Path) -> None:
    done = fc2conv("inspect", "m.onnx", cwd=folder, FC2CONV_RTLO="1")
    assert done.returncode == 0
    assert done.stderr == "fc2conv: environment variable FC2CONV_RTLO is no setting (`fc2conv config` lists them)\n"


def test_every_option_of_every_command_is_a_setting() -> None:
    """By construction: what is added to a command later is one too."""
    group: Any = typer.main.get_command(app)
    for name in ("convert", "verify", "inspect", "report"):
        command = group.commands[name]
        keys = options_of(command)
        for option in command.params:
            if option.param_type_name == "option" and "--help" not in option.opts:
                (key,) = [key for key, listed in keys.items() if listed is option]
                assert f"--{key}" in option.opts
                assert option.envvar == variables(name, key)
        flags = {negative(key) for key, option in keys.items() if option.is_flag}
        assert flags.isdisjoint({flag for option in command.params for flag in option.opts})
