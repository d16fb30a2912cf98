"""The values of a settings file, each checked as the command line checks it."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import typer
from typer.core import TyperOption

from fc2conv_cli.errors import SettingsError
from fc2conv_cli.settings.files import SettingsFile
from fc2conv_cli.settings.options import RUNS_CODE, Options, is_common

Commands = Mapping[str, Options]


class FileValue(NamedTuple):
    """A value from a file.

    Attributes:
        value: What a default of the option would be.
        place: Where it stands.
    """

    value: Any
    place: str


def file_values(file: SettingsFile, commands: Commands, ctx: typer.Context) -> dict[str, dict[str, FileValue]]:
    """What a file sets, by command and key. The table of a command goes before what is common to all.

    All of the file is checked, whatever command is to run: a gate must not learn of a mistake when it is needed.

    Raises:
        SettingsError: A key that no command has, or a value that the option does not take.
    """
    values: dict[str, dict[str, FileValue]] = {name: {} for name in commands}
    for key, raw in _keys(file, "", {k: v for k, v in file.content.items() if k not in commands}):
        for name in _takers(file, commands, key) if raw not in _EMPTY else ():
            values[name][key] = _checked(file, file.place(key), commands[name][key], raw, ctx)
    for name, options in commands.items():
        for key, raw in _keys(file, name, file.content.get(name, {})):
            if key not in options:
                raise _unknown(file.place(key, name), key, options, _elsewhere(file, commands, key))
            if raw in _EMPTY:
                values[name].pop(key, None)
                continue
            values[name][key] = _checked(file, file.place(key, name), options[key], raw, ctx)
    return values


_EMPTY: tuple[Any, ...] = ("", [])
"""What sets a key back to the default, in the table of a command against what is common to all."""


def _keys(file: SettingsFile, table: str, content: Any) -> Iterator[tuple[str, Any]]:
    """The keys of a table, written with dashes; underscores are taken too."""
    if not isinstance(content, dict):
        raise SettingsError(
            f"{file.place(table)} is {content!r}, and not a table", hint=f"Write a table: {file.header(table)}"
        )
    seen: set[str] = set()
    for written, raw in content.items():
        key = written.replace("_", "-")
        if key in seen:
            raise SettingsError(f"{file.place(key, table)} stands there twice", hint="Keep one of the two.")
        seen.add(key)
        if key in RUNS_CODE:
            hint = "It lets code run. Give it on the command line, or in an environment variable."
            raise SettingsError(f"{file.place(key, table)} may not stand in a file", hint=hint)
        yield key, raw


def _takers(file: SettingsFile, commands: Commands, key: str) -> list[str]:
    """The commands that a common key is for."""
    takers = [name for name, options in commands.items() if key in options and is_common(name, key)]
    if not takers:
        raise _unknown(file.place(key), key, {k for options in commands.values() for k in options} | set(commands))
    return takers


def _elsewhere(file: SettingsFile, commands: Commands, key: str) -> str:
    """Where a key belongs that another command has."""
    headers = " or ".join(file.header(name) for name, options in commands.items() if key in options)
    return f"It belongs into {headers}." if headers else ""


def _unknown(place: str, key: str, known: Iterable[str], hint: str = "") -> SettingsError:
    listed = sorted(known)
    near = difflib.get_close_matches(key, listed, n=1)
    hint = hint or (f"Did you mean {near[0]!r}?" if near else f"The keys are: {', '.join(listed)}")
    return SettingsError(f"{place} is no setting", hint=hint)


def _checked(file: SettingsFile, place: str, option: TyperOption, raw: Any, ctx: typer.Context) -> FileValue:
    wanted = _kind(option)
    if not wanted.holds(raw):
        raise SettingsError(f"{place} is {raw!r}, and not {wanted.name}")
    given = _listed(raw) if option.multiple else raw
    try:
        value = option.process_value(ctx, given)
    except typer.BadParameter as error:
        raise SettingsError(f"{place} is {raw!r}: {error.message}") from error
    if wanted is _SCALAR and not (wanted := _kind_of(value)).holds(raw):
        raise SettingsError(f"{place} is {raw!r}, and not {wanted.name}")
    if isinstance(value, Path):  # named as seen from the file, wherever the command runs
        given = str(file.path.parent / value)
    return FileValue(given, place)


def _listed(raw: Any) -> list[str]:
    """What a repeatable option is given: texts, as on the command line."""
    return [item if isinstance(item, str) else repr(item) for item in (raw if isinstance(raw, list) else [raw])]


class _Kind(NamedTuple):
    """What a value of TOML has to be."""

    name: str
    holds: Callable[[Any], bool]


_FLAG = _Kind("true or false", lambda raw: isinstance(raw, bool))
_INTEGER = _Kind("an integer", lambda raw: isinstance(raw, int) and not isinstance(raw, bool))
_NUMBER = _Kind("a number", lambda raw: isinstance(raw, int | float) and not isinstance(raw, bool))
_STRING = _Kind("a string", lambda raw: isinstance(raw, str))
_STRINGS = _Kind(
    "a string or a list of strings",
    lambda raw: isinstance(raw, str) or (isinstance(raw, list) and all(isinstance(item, str) for item in raw)),
)
_TOLERANCES = _Kind(
    "a number, a string or a list of them",
    lambda raw: all(_NUMBER.holds(item) or isinstance(item, str) for item in (raw if isinstance(raw, list) else [raw])),
)
_TOLERANCE_KEYS = frozenset({"atol", "rtol"})
"""Repeatable, and yet a number in most files."""
_SCALAR = _Kind("a number or a string", lambda raw: _NUMBER.holds(raw) or _STRING.holds(raw))


def _kind(option: TyperOption) -> _Kind:
    """What an option needs, as far as it says so itself."""
    if option.multiple:
        return _TOLERANCES if option.name in _TOLERANCE_KEYS else _STRINGS
    return _FLAG if option.is_flag else _SCALAR


def _kind_of(value: Any) -> _Kind:
    """What TOML has for a value that an option made: the command line takes "4" for 4, a file has numbers."""
    return _INTEGER if isinstance(value, int) else _NUMBER if isinstance(value, float) else _STRING
