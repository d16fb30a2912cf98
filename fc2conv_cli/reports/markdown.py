"""The table of reasons as Markdown: one of them for ``fc2conv explain``, all of them for docs/reasons.md."""

from __future__ import annotations

import textwrap

from fc2conv_cli.layers.reasons import REASONS, Reason

_WIDTH = 110


def reason_text(reason: Reason) -> str:
    """One reason, readable in a terminal as it is."""
    kind = "A fully connected layer that stays" if reason.is_layer else "No fully connected layer"
    sentence = f"{kind}: {reason.sentence}."
    parts = [sentence, reason.explanation, f"**What to do.** {reason.advice}"]
    body = "\n\n".join(textwrap.fill(part, _WIDTH, break_long_words=False, break_on_hyphens=False) for part in parts)
    return f"## {reason.code}\n\n{body}\n"


def reasons_page() -> str:
    """docs/reasons.md."""
    head = (
        "# Why a node stays\n\n"
        "Every node that fc2conv leaves is listed in its reports with one of these codes. A code is never renamed.\n"
        "`fc2conv explain CODE` prints its section. This page is made by `python docs/make_reasons.py`.\n"
    )
    return "\n".join([head, *map(reason_text, REASONS)])
