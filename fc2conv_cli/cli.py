"""The command line: parse, call, render, exit code. No logic."""

from __future__ import annotations

import gc
import io
import os
import shutil
import signal
import sys
import traceback
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, NoReturn, TypeVar

import typer

from fc2conv_cli import __version__, interruption
from fc2conv_cli.errors import FC2ConvError, OutputFileError, UsageError
from fc2conv_cli.options.comparing import Comparing, Judging
from fc2conv_cli.options.groups import with_groups
from fc2conv_cli.options.layers import FreezeOption, Layers, UnverifiableOption
from fc2conv_cli.options.pytorch import PANEL, PyTorch
from fc2conv_cli.options.reporting import Reporting
from fc2conv_cli.progress import following
from fc2conv_cli.reports.command import ReportingCommand
from fc2conv_cli.reports.formats import add_to_job, render, renderer
from fc2conv_cli.reports.printable import printable_lines

if TYPE_CHECKING:
    from fc2conv_cli.pipeline.records import ConversionReport, InspectionReport
    from fc2conv_cli.timing import Stopwatch
    from fc2conv_cli.verification.report import VerifyReport

OK, NEGATIVE, UNUSABLE, FAULT = 0, 1, 2, 101
"""Exit codes: all is well; a negative result; usage or input that cannot be used; a fault of fc2conv."""

app = typer.Typer(
    name="fc2conv",
    help="Turn the fully connected layers of an ONNX or PyTorch model into convolutions that compute the same.",
    epilog="Exit codes: 0 good; 1 the models differ, or --strict found a layer left; "
    "2 bad usage or input; 101 a fault of fc2conv.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


class ConfigFormat(StrEnum):
    """How settings are printed."""

    text = "text"
    json = "json"


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"fc2conv {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    pass


@app.command("convert", cls=ReportingCommand)
@with_groups
def convert_command(
    model: Annotated[
        Path, typer.Argument(metavar="MODEL", help="The model, ONNX or PyTorch; it is not changed.", show_default=False)
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="OUT",
            help="Where to write. Default: <stem>.conv.onnx beside the model.",
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite OUT.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plan, write nothing.")] = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit 1, and write nothing, if a layer has to be left.")
    ] = False,
    no_verify: Annotated[
        bool, typer.Option("--no-verify", help="Write the result without comparing it with the original.")
    ] = False,
    keep_failed: Annotated[
        bool, typer.Option("--keep-failed", help="Keep a result that failed, as <OUT stem>.failed.onnx.")
    ] = False,
    share_weights: Annotated[
        bool,
        typer.Option("--share-weights", help="Read weights from the original's data file where they are the same."),
    ] = False,
    layers: Layers = Layers(),  # noqa: B008  the options of the group
    comparing: Comparing = Comparing(),  # noqa: B008
    pytorch: PyTorch = PyTorch(),  # noqa: B008
    keep_export: Annotated[
        bool,
        typer.Option("--keep-export", help="Keep the plain ONNX too, as <stem>.export.onnx.", rich_help_panel=PANEL),
    ] = False,
    reporting: Reporting = Reporting(),  # noqa: B008
) -> None:
    """Convert a model, compare the result with the original, and write it if they agree."""
    reporting.check(model, output)
    from fc2conv_cli.pipeline.conversion import convert

    with following(sys.stderr) as watch:
        report = convert(
            model,
            output,
            force=force,
            dry_run=dry_run,
            strict=strict,
            verify=not no_verify,
            keep_failed=keep_failed,
            share_weights=share_weights,
            settings=comparing.settings(reference=False),
            loading=pytorch.loading(keep_export=keep_export, verbose=reporting.verbose),
            watch=watch,
            **layers.arguments(),
        )
    _show(_timed(report, reporting, watch), reporting)
    raise typer.Exit(OK if report.passed else NEGATIVE)


@app.command("verify", cls=ReportingCommand)
@with_groups
def verify_command(
    original: Annotated[
        Path, typer.Argument(metavar="ORIGINAL", help="The model to compare with, ONNX or PyTorch.", show_default=False)
    ],
    converted: Annotated[
        Path, typer.Argument(metavar="CONVERTED", help="The ONNX model to judge.", show_default=False)
    ],
    per_layer: Annotated[
        bool, typer.Option("--per-layer", help="Compare every converted layer too; name the first that diverges.")
    ] = False,
    freeze_inputs: FreezeOption = False,
    allow_unverifiable: UnverifiableOption = False,
    comparing: Comparing = Comparing(),  # noqa: B008
    pytorch: PyTorch = PyTorch(),  # noqa: B008
    reporting: Reporting = Reporting(),  # noqa: B008
) -> None:
    """Run two models on the same inputs and compare every output; exit 1 if they differ."""
    reporting.check(original, converted)
    from fc2conv_cli.pipeline.comparison import verify

    settings = comparing.settings(reference=allow_unverifiable)
    loading = pytorch.loading(verbose=reporting.verbose)
    with following(sys.stderr) as watch:
        report = verify(
            original,
            converted,
            freeze_inputs=freeze_inputs,
            per_layer=per_layer,
            settings=settings,
            loading=loading,
            watch=watch,
        )
    _show(_timed(report, reporting, watch), reporting)
    raise typer.Exit(OK if report.passed else NEGATIVE)


@app.command("inspect", cls=ReportingCommand)
@with_groups
def inspect_command(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="The model, ONNX or PyTorch.", show_default=False)],
    layers: Layers = Layers(),  # noqa: B008  the options of the group
    pytorch: PyTorch = PyTorch(),  # noqa: B008
    reporting: Reporting = Reporting(),  # noqa: B008
) -> None:
    """List the fully connected layers, what each would become, and why a layer would stay."""
    reporting.check(model)
    from fc2conv_cli.pipeline.inspection import inspect

    with following(sys.stderr) as watch:
        report = inspect(model, loading=pytorch.loading(verbose=reporting.verbose), watch=watch, **layers.arguments())
    _show(_timed(report, reporting, watch), reporting)


@app.command("report", cls=ReportingCommand)
@with_groups
def report_command(
    file: Annotated[
        Path,
        typer.Argument(metavar="FILE", help="A report that --output-format json wrote.", show_default=False),
    ],
    judging: Judging = Judging(),  # noqa: B008  the options of the group
    reporting: Reporting = Reporting(),  # noqa: B008
) -> None:
    """Write a saved report in another format, or judge it by other tolerances, without running anything."""
    if reporting.output_file is not None and reporting.output_file.resolve() == file.resolve():
        raise UsageError("FILE and --output-file are one file", hint="Name another file, or what was measured is lost.")
    reporting.check()
    from fc2conv_cli.reports.cases import passed
    from fc2conv_cli.reports.from_json import read
    from fc2conv_cli.reports.judge import judge

    report = judge(read(file), judging.judgement())
    _show(report, reporting)
    raise typer.Exit(OK if passed(report) else NEGATIVE)


@app.command("explain")
def explain_command(
    code: Annotated[str, typer.Argument(metavar="CODE", help="A code such as FC2C-EINSUM.", show_default=False)],
) -> None:
    """Explain at length why a node stays, by the code in the reports."""
    from fc2conv_cli.layers.reasons import REASONS, by_code
    from fc2conv_cli.reports.markdown import reason_text

    reason = by_code(code)
    if reason is None:
        listed = ", ".join(reason.code for reason in REASONS)
        raise UsageError(f"there is no code {code!r}", hint=f"The codes are: {listed}")
    _write(reason_text(reason), None)


@app.command(
    "config",
    context_settings={"ignore_unknown_options": True, "allow_extra_args": True, "allow_interspersed_args": False},
)
def config_command(
    ctx: typer.Context,
    command: Annotated[
        str | None,
        typer.Argument(metavar="[COMMAND [OPTIONS]]", help="Only this one, as if it were run so.", show_default=False),
    ] = None,
    output_format: Annotated[ConfigFormat, typer.Option(help="How to print them.")] = ConfigFormat.text,
) -> None:
    """Print every setting in force, and where it came from: a file, a variable, the command line or the default."""
    from fc2conv_cli.settings.in_force import as_json, as_text, in_force

    settings = in_force(ctx, command, ctx.args)
    _write((as_json if output_format is ConfigFormat.json else as_text)(settings), None)


_Timed = TypeVar("_Timed", "ConversionReport", "InspectionReport", "VerifyReport")


def _timed(report: _Timed, to: Reporting, watch: Stopwatch) -> _Timed:
    """The report with all seconds until it is written: what writes it has to be imported, too."""
    if to.silent:
        return report
    with watch("imports"):
        renderer(to.output_format)
    return replace(report, seconds=dict(watch.seconds))


_LEAST_COLUMNS = 150
"""Of a terminal: a narrower one wraps lines, while columns that are squeezed into it would break numbers."""


def _show(report: ConversionReport | InspectionReport | VerifyReport, to: Reporting) -> None:
    add_to_job(report, to.output_format, verbose=to.verbose)
    if to.silent:
        return
    terminal = to.output_file is None and sys.stdout.isatty()
    width = max(shutil.get_terminal_size().columns, _LEAST_COLUMNS) if terminal else None
    text = render(report, to.output_format, width=width, color=terminal, verbose=to.verbose)
    _write(text, to.output_file)


def _write(text: str, output_file: Path | None) -> None:
    """To a file if one is named, and to stdout if not."""
    if output_file is None:
        try:
            sys.stdout.write(text)
            sys.stdout.flush()
        except BrokenPipeError:  # the reader (head, less) has gone; Python would complain again when it closes stdout
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(128 + signal.SIGPIPE) from None
        except OSError as error:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            problem = f"the report cannot be written ({error.strerror})"
            raise OutputFileError(Path("stdout"), problem, hint="What the command itself did is done.") from error
        return
    from fc2conv_cli.reports.file import write

    write(output_file, text)


_OBJECTS_BETWEEN_COLLECTIONS = 1_000_000


def main() -> NoReturn:
    """Run the command line, and turn whatever is raised into a message and an exit code."""
    for name in ("SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), _stop)
    _prepare_streams()
    # A graph is millions of objects that stay: looking for garbage among them takes longer than converting it.
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS)
    try:
        _run_app()
    except FC2ConvError as error:
        _complain(f"fc2conv: {printable_lines(str(error))}\n")
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        _complain(printable_lines(interruption.message()))
        sys.exit(128 + signal.SIGINT)
    except MemoryError:
        _complain("fc2conv: there is not enough memory\nFree some memory, or use a machine that has more.\n")
        sys.exit(UNUSABLE)
    except Exception as error:
        if {"-v", "--verbose"} & set(sys.argv):
            traceback.print_exc()
        what = " ".join(str(error).split()) or type(error).__name__
        _complain(
            f"fc2conv: this is a fault of fc2conv, not of your model: {type(error).__name__}: {what}\n"
            "Please report it, with the output of the same command and -v.\n"
        )
        sys.exit(FAULT)
    sys.exit(OK)


def _run_app() -> None:
    """Parse and run; Ctrl-C stays Ctrl-C, of which Typer makes an exit code and not a word."""
    try:
        app()
    except SystemExit as end:
        if end.code == 128 + signal.SIGINT:
            raise KeyboardInterrupt from end
        raise


def _prepare_streams() -> None:
    """Let no stream stand in the way: one that is closed fails when it is written to, and every name is printable."""
    if sys.stdout is None:
        only_read = os.open(os.devnull, os.O_RDONLY)
        sys.stdout = open(only_read, "w", encoding="utf-8")  # noqa: PTH123, SIM115  open for as long as we run
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _complain(message: str) -> None:
    """Write to stderr; if that cannot be written, the exit code must still be right."""
    try:
        sys.stderr.write(message)
        sys.stderr.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())


def _stop(signum: int, frame: FrameType | None) -> NoReturn:
    """Leave through every `finally`, so that no temporary file stays behind."""
    sys.exit(128 + signum)
