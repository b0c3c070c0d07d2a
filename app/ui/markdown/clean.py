"""Take out of a text what could mislead a reader or a text layout."""

from __future__ import annotations

import re
from html import escape

_BIDI = (*range(0x202A, 0x202F), *range(0x2066, 0x206A))  # embeddings, overrides, isolates
_LAYOUT = (0xFEFF, *range(0xFFF9, 0xFFFD), *range(0xFDD0, 0xFDF0))  # Qt's own marks are among them
_CONTROLS = (*(code for code in range(0x20) if code not in (0x09, 0x0A)), *range(0x7F, 0xA0))
_TABLE: dict[int, str | None] = dict.fromkeys((*_CONTROLS, *_BIDI, *_LAYOUT))
_TABLE.update({0x2028: "\n", 0x2029: "\n"})
_SURROGATE = re.compile("[\ud800-\udfff]")


def clean_text(text: str) -> str:
    """Return `text` without control characters, bidi overrides and other invisible orders.

    Works character by character, so cutting a text anywhere first changes nothing.
    """
    return _SURROGATE.sub("\ufffd", text.translate(_TABLE))


def to_html(text: str) -> str:
    """Return `text`, cleaned, as it must stand in HTML."""
    return escape(clean_text(text))
