"""Names with control characters: no format writes one as it is, of a node, an output or an error."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from samples import different, inspected
from test_workflow_commands import parsed

from fc2conv_cli.errors import FC2ConvError
from fc2conv_cli.reports import error_report
from fc2conv_cli.reports.formats import Format, render
from fc2conv_cli.reports.printable import printable, printable_lines

NAME = "a\x1b[2Jb\nc\td\re\u202ef"
SHOWN = "a\\x1b[2Jb\\nc\\td\\re\\u202ef"


def test_it_is_as_repr_writes_it() -> None:
    assert printable(NAME) == SHOWN == repr(NAME)[1:-1]
    assert printable("é \\ 猫") == "é \\ 猫"
    assert printable("\udc80") == "\\udc80"
    assert printable_lines("one\ntwo\x1b") == "one\ntwo\\x1b"


@pytest.mark.parametrize("make", [inspected, different])
@pytest.mark.parametrize("output_format", [Format.text, Format.markdown, Format.github])
def test_a_report(tmp_path: Path, make: Callable[..., object], output_format: Format) -> None:
    text = render(make(tmp_path, name=NAME), output_format, width=300, color=False, verbose=True)  # type: ignore[arg-type]
    assert all(character.isprintable() for character in text if character != "\n")
    if output_format is Format.github:
        lines = [parsed(line) for line in text.splitlines()]
        assert any(SHOWN in properties["title"] for _, properties, _ in lines)
        assert not any("b\nc" in message for _, _, message in lines)
    else:
        assert (SHOWN.replace("\\", "\\\\").replace("[", "\\[") if output_format is Format.markdown else SHOWN) in text


@pytest.mark.parametrize("output_format", [Format.text, Format.markdown, Format.github])
def test_an_error(output_format: Format) -> None:
    error = error_report.ErrorReport.of(FC2ConvError("no \x1b[2J", hint="one\ntwo"), "verify")
    text = error_report.render(error, output_format)
    assert "\x1b" not in text
    assert "x1b" in text
    assert "\\n" not in text
