from __future__ import annotations

from xml.etree import ElementTree as ET

from hypothesis import given
from hypothesis import strategies as st

from fc2conv_cli.reports.xml_text import document, xml_text


@given(st.text())
def test_any_text_can_be_read_again(text: str) -> None:
    root = ET.Element("a", {"b": xml_text(text)})
    again = ET.fromstring(document(root).encode("utf-8", "xmlcharrefreplace"))
    assert again.get("b") == xml_text(text)


def test_what_xml_has_is_kept() -> None:
    assert xml_text("a\t<größe> & \U0001f600") == "a\t<größe> & \U0001f600"
    assert xml_text("\x00\x1b\ud800\uffff") == "\ufffd" * 4
