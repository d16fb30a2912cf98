"""Workflow commands: what the runner of GitHub Actions reads from stdout."""

from __future__ import annotations


def command(kind: str, message: str, **properties: str) -> str:
    """A command, ``::error title=what::message``, escaped as the runner unescapes it."""
    listed = ",".join(f"{name}={_property(value)}" for name, value in properties.items())
    return f"::{kind} {listed}::{_data(message)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
