from __future__ import annotations

from helpers import SAMPLES

from fc2conv_cli.layers.reasons import REASONS, by_code
from fc2conv_cli.reports.markdown import reason_text, reasons_page


def test_the_page_is_made_from_the_table() -> None:
    page = (SAMPLES.parent / "docs" / "reasons.md").read_text(encoding="utf-8")
    assert page == reasons_page(), "run: python docs/make_reasons.py"
    for reason in REASONS:
        assert f"## {reason.code}\n" in page


def test_a_reason_says_what_why_and_what_to_do() -> None:
    for reason in REASONS:
        text = reason_text(reason)
        assert reason.sentence.split()[0] in text
        assert "**What to do.**" in text
        assert max(map(len, text.splitlines())) <= 110


def test_codes_are_found_as_people_type_them() -> None:
    assert by_code("FC2C-EINSUM") is by_code("fc2c-einsum") is by_code("einsum")
    assert by_code("FC2C-NONE") is None
