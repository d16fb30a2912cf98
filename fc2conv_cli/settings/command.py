"""A command whose options may also be set in a file and in environment variables.

Precedence is that of Typer (and Click) itself: the command line, then an environment variable, then
the default map, which is filled from the settings file, then the default. So it holds for every option that a command
has, and for those that it will have.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperCommand, TyperOption

from fc2conv_cli.errors import FC2ConvError, SettingsError
from fc2conv_cli.options.comparing import settle_inputs
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
        """Let every flag be turned off, and everything be set back; `--help` shows what turns flags on."""
        parser = super().make_parser(ctx)
        for key, option in options_of(self).items():
            if option.is_flag and not option.secondary_opts:
                off = [negative(key)]
                parser.add_option(obj=option, opts=off, dest=option.name, action="store_const", const=False)
        parse = parser.parse_args

        def without_empty(args: list[str]) -> Any:
            given, *rest = parse(args=args)
            for key, option in options_of(self).items():
                _set_back(ctx, option, variables(self.name or "", key), given)
            return given, *rest

        parser.parse_args = without_empty  # type: ignore[method-assign]  # the parser is not ours to subclass
        return parser

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Look up the settings, then parse.

        Raises:
            SettingsError: A setting cannot be used.
        """
        try:
            found = settings_of(ctx).get(ctx.info_name, {})
            ctx.default_map = {options_of(self)[key].name: each.value for key, each in found.items()}
            ctx.meta[_PLACES] = {key: each.place for key, each in found.items()}
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

    def invoke(self, ctx: Any) -> Any:
        """Run the command; an error that is due to a setting says where that comes from."""
        try:
            return super().invoke(ctx)
        except FC2ConvError as error:
            origins = [f"{option} comes from {place}." for option, place in self._origins(ctx, error)]
            error.hint = "\n".join(filter(None, (error.hint, *origins)))
            raise

    def _origins(self, ctx: Any, error: FC2ConvError) -> Iterator[tuple[str, str]]:
        """The options that an error is about and that a file or a variable sets, and which one does."""
        for key, option in options_of(self).items():
            source = ctx.get_parameter_source(option.name)
            name = "" if source is None else source.name
            place = ctx.meta.get(_PLACES, {}).get(key) if name == "DEFAULT_MAP" else None
            if name == "ENVIRONMENT" and (variable := variable_in_use(option)) is not None:
                place = f"environment variable {variable}"
            if place is not None and _is_about(error, key, ctx.params.get(option.name)):
                yield f"--{key}", place


_PLACES = "fc2conv.places"
"""Under this name a context keeps where in the file each setting stands."""


def _is_about(error: FC2ConvError, key: str, value: Any) -> bool:
    """Whether an error names an option, or the file that the option names."""
    if re.search(rf"--{re.escape(key)}(?![\w-])", error.message):
        return True
    return isinstance(value, Path) and value == getattr(error, "path", None)


def _set_back(ctx: Any, option: TyperOption, names: Sequence[str], given: dict[str, Any]) -> None:
    """What is empty sets back to the default what stands behind it: on the command line, or in a variable."""
    option.envvar, name = list(names), option.name or ""
    value = given.get(name)
    if isinstance(value, list) and "" in value:
        given[name] = value = [item for item in value if item != ""] or ""
    if value == "":
        del given[name]
    elif name in given or os.environ.get(next((v for v in names if v in os.environ), ""), None) != "":
        return
    option.envvar = []
    (ctx.default_map or {}).pop(name, None)


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
