from __future__ import annotations

from pathlib import Path

import pytest

from fc2conv_cli.errors import SettingsError
from fc2conv_cli.settings.files import nearest


def test_the_nearest_file_upwards_counts(tmp_path: Path) -> None:
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    (tmp_path / "fc2conv.toml").write_text("seed = 1")
    found = nearest(deep)
    assert found is not None
    assert (found.path, found.content) == (tmp_path / "fc2conv.toml", {"seed": 1})
    (tmp_path / "a" / "pyproject.toml").write_text("[project]\nname = 'x'")  # has no table of ours
    assert nearest(deep) == found
    (tmp_path / "a" / "pyproject.toml").write_text("[tool.fc2conv]\nseed = 2")
    nearer = nearest(deep)
    assert nearer is not None
    assert (nearer.path.parent.name, nearer.content) == ("a", {"seed": 2})
    (tmp_path / "a" / "fc2conv.toml").write_text("seed = 3")
    own = nearest(deep)
    assert own is not None
    assert own.content == {"seed": 3}


def test_places_are_named_as_the_file_has_them(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.fc2conv]\nseed = 2")
    found = nearest(tmp_path)
    assert found is not None
    assert found.place("seed", "verify") == f"{found.path}: [tool.fc2conv.verify] seed"
    (tmp_path / "fc2conv.toml").write_text("seed = 2")
    found = nearest(tmp_path)
    assert found is not None
    assert found.place("seed") == f"{found.path}: seed"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"seed = ", "is not TOML"),
        (b"\xff\xfe", "is not TOML"),
        (b"[tool]\nfc2conv = 3", "fc2conv is 3, and not a table"),
        (b"tool = 'x'", "tool is 'x', and not a table"),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "pyproject.toml"
    path.write_bytes(content)
    with pytest.raises(SettingsError) as caught:
        nearest(tmp_path)
    assert caught.value.message.startswith(f"{path}: ")
    assert words in caught.value.message


@pytest.mark.parametrize(
    ("name", "content", "words", "hint"),
    [
        ("fc2conv.toml", "[tool.fc2conv]\nseed = 1", "[tool] is for pyproject.toml only", "[verify]"),
        ("pyproject.toml", "[fc2conv]\nseed = 1", "[fc2conv] is no table of pyproject.toml", "Write [tool.fc2conv]."),
    ],
)
def test_one_file_written_as_the_other(tmp_path: Path, name: str, content: str, words: str, hint: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(SettingsError) as caught:
        nearest(tmp_path)
    assert caught.value.message == f"{tmp_path / name}: {words}"
    assert hint in caught.value.hint
