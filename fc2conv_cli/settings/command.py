"""A command whose options may also be set in a file and in environment variables.

Precedence is that of Typer (and Click) itself: the command line, then an environment variable, then
the default map, which is filled from the settings file, then the default. So it holds for every option that a command
has, and for those that it will have.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperCommand

from fc2conv_cli.errors import FC2ConvError, SettingsError
from fc2conv_cli.options import settle_inputs
from fc2conv_cli.settings.files import nearest
from fc2conv_cli.settings.options import PREFIX, Options, negative, options_of, variable_in_use, variables
from fc2conv_cli.settings.values import Commands, FileValue, file_values


class ConfiguredCommand(TyperCommand):
    """A command that takes settings."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Give every option its environment variables."""
        super().__init__(*args, **kwargs)
        for key, option in options_of(self).items():
            option.envvar = variables(self.name or "", key)
            option.show_envvar = False  # two for each option are no help; the README has the rule

    def make_parser(self, ctx: Any) -> Any:
        """Let every flag be turned off, too; `--help` shows what turns it on."""
        parser = super().make_parser(ctx)
        for key, option in options_of(self).items():
            if option.is_flag and not option.secondary_opts:
                off = [negative(key)]
                parser.add_option(obj=option, opts=off, dest=option.name, action="store_const", const=False)
        return parser

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Look up the settings, then parse.

        Raises:
            SettingsError: A setting cannot be used.
        """
        try:
            ctx.default_map = {
                options_of(self)[key].name: found.value
                for key, found in settings_of(ctx).get(ctx.info_name, {}).items()
            }
            check_environment(ctx, options_of(self))
            if not ctx.resilient_parsing:
                note_unknown_variables(ctx)
        except FC2ConvError:
            if not {*ctx.help_option_names} & {*args} and not ctx.resilient_parsing:
                raise
        rest = super().parse_args(ctx, args)
        if not ctx.resilient_parsing:
            settle_inputs(ctx)
        return rest


def commands_of(ctx: typer.Context) -> dict[str, ConfiguredCommand]:
    """All commands that take settings."""
    group = ctx.find_root().command
    commands: Mapping[str, Any] = getattr(group, "commands", {})
    return {name: command for name, command in commands.items() if isinstance(command, ConfiguredCommand)}


def settings_of(ctx: typer.Context) -> dict[str, dict[str, FileValue]]:
    """What the nearest settings file sets, by command and key."""
    file = nearest(Path.cwd())
    commands: Commands = {name: options_of(command) for name, command in commands_of(ctx).items()}
    return {} if file is None else file_values(file, commands, ctx)


def unknown_variables(ctx: typer.Context) -> list[str]:
    """Environment variables that look like settings and are none."""
    options = {name: options_of(command) for name, command in commands_of(ctx).items()}
    known = {variable for name, keys in options.items() for key in keys for variable in variables(name, key)}
    return sorted(name for name in os.environ if name.startswith(PREFIX) and name not in known)


def check_environment(ctx: typer.Context, options: Options) -> None:
    """Say which variable is at fault; the parser would only name the option."""
    for option in options.values():
        if (variable := variable_in_use(option)) is not None:
            try:
                option.process_value(ctx, option.value_from_envvar(ctx))
            except typer.BadParameter as error:
                found = os.environ[variable]
                raise SettingsError(f"environment variable {variable} is {found!r}: {error.message}") from error


def note_unknown_variables(ctx: typer.Context) -> None:
    """Say on stderr which variables may be misspelt. Another tool may own them, so it is no error."""
    for name in unknown_variables(ctx):
        sys.stderr.write(f"fc2conv: environment variable {name} is no setting (`fc2conv config` lists them)\n")
