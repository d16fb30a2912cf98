"""Makes docs/reasons.md from the table in the code: ``python docs/make_reasons.py``."""

from __future__ import annotations

from pathlib import Path

from fc2conv_cli.reports.markdown import reasons_page

if __name__ == "__main__":
    Path(__file__).with_name("reasons.md").write_text(reasons_page(), encoding="utf-8")
