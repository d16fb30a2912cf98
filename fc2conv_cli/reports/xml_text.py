"""XML that every reader takes, whatever stands in a name."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 has no way to write, not even escaped."""


def xml_text(text: str) -> str:
    """Names come from files, and may hold anything."""
    return _NOT_XML.sub("\ufffd", text)


def document(root: ET.Element) -> str:
    """An element as a whole file, ending in a newline."""
    ET.indent(root)
    return f'<?xml version="1.0" encoding="utf-8"?>\n{ET.tostring(root, encoding="unicode")}\n'
