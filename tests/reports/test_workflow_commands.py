from __future__ import annotations

import re

from samples import NASTY

from fc2conv_cli.reports.workflow_commands import command


def unescaped(text: str) -> str:
    """As the runner does it: actions/runner, ActionCommand.cs."""
    for code, character in (("%0D", "\r"), ("%0A", "\n"), ("%3A", ":"), ("%2C", ","), ("%25", "%")):
        text = text.replace(code, character)
    return text


def parsed(line: str) -> tuple[str, dict[str, str], str]:
    found = re.fullmatch(r"::(\w+) ([^:]*)::(.*)", line)
    assert found is not None, line
    properties = dict(pair.split("=", 1) for pair in found[2].split(","))
    return found[1], {key: unescaped(text) for key, text in properties.items()}, unescaped(found[3])


def test_every_character_arrives() -> None:
    kind, properties, message = parsed(command("error", NASTY, title=NASTY))
    assert (kind, properties, message) == ("error", {"title": NASTY}, NASTY)
    assert command("notice", "50%, a:b\n", title="x,y:z%") == "::notice title=x%2Cy%3Az%25::50%25, a:b%0A"
