"""Every setting in force, and where it came from."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from enum import Enum
from pathlib import Path
from typing import Any

import typer

from fc2conv_cli.errors import UsageError
from fc2conv_cli.settings.command import (
    ConfiguredCommand,
    check_environment,
    commands_of,
    note_unknown_variables,
    settings_of,
)
from fc2conv_cli.settings.options import options_of, variable_in_use
from fc2conv_cli.settings.values import FileValue

VERSION = 1
"""Of the JSON; raised when a field changes its meaning or goes."""


@dataclass(frozen=True)
class Setting:
    """One option of one command.

    Attributes:
        command: The command.
        key: Its name in files.
        value: What is in force; None where nothing is set.
        source: ``default``, ``file``, ``environment`` or ``command line``.
        where: The place in the file, or the name of the variable.
    """

    command: str
    key: str
    value: Any
    source: str
    where: str | None = None


_SOURCES = {"COMMANDLINE": "command line", "ENVIRONMENT": "environment", "DEFAULT_MAP": "file"}


def in_force(ctx: typer.Context, name: str | None, args: Sequence[str]) -> tuple[Setting, ...]:
    """The settings of one command, given with options or without, or of all.

    Raises:
        UsageError: There is no such command, or it takes no settings.
        SettingsError: A setting cannot be used.
    """
    commands, values = commands_of(ctx), settings_of(ctx)
    if name is not None and name not in commands:
        raise UsageError(f"there is no command {name!r} with settings", hint=f"They are: {', '.join(commands)}")
    note_unknown_variables(ctx)
    chosen = commands if name is None else {name: commands[name]}
    return tuple(
        setting for each, command in chosen.items() for setting in _settings(ctx, command, values.get(each, {}), args)
    )


def _settings(
    parent: typer.Context, command: ConfiguredCommand, values: dict[str, FileValue], args: Sequence[str]
) -> Iterator[Setting]:
    ctx: Any = command.make_context(command.name, [], parent=parent.find_root(), resilient_parsing=True)
    check_environment(ctx, options_of(command))
    ctx.resilient_parsing = False  # arguments may be missing, but what is given must be right
    given, _, _ = command.make_parser(ctx).parse_args(args=list(args))
    for key, option in options_of(command).items():
        value, source = option.consume_value(ctx, given)
        kind = _SOURCES.get(source.name, "default")
        where = {"file": values[key].place if key in values else None, "environment": variable_in_use(option)}.get(kind)
        yield Setting(command.name or "", key, _plain(option.process_value(ctx, value)), kind, where)


def _plain(value: Any) -> Any:
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Path):
        return str(value)
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value


def as_json(settings: Iterable[Setting]) -> str:
    """The settings as JSON, ending in a newline."""
    return json.dumps({"version": VERSION, "settings": [asdict(s) for s in settings]}, indent=2) + "\n"


def as_text(settings: Iterable[Setting]) -> str:
    """The settings as a table, one a line."""
    rows = [("command", "setting", "value", "from")]
    rows += [(s.command, s.key, _shown(s.value), s.source if s.where is None else s.where) for s in settings]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows)
    return "".join(f"{line}\n" for line in lines)


def _shown(value: Any) -> str:
    if value is None or value == []:
        return "-"
    return str(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else json.dumps(value)
