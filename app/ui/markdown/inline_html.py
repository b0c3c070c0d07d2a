"""Inline tokens to HTML of Qt's subset; everything a model wrote is escaped."""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from urllib.parse import urlsplit

from markdown_it.token import Token

from app.ui.markdown.clean import clean_text, to_html
from app.ui.markdown.formulas import can_typeset

OPENABLE = ("http", "https", "mailto")
_MARKS = {
    "strong_open": "<b>",
    "strong_close": "</b>",
    "em_open": "<i>",
    "em_close": "</i>",
    "s_open": "<s>",
    "s_close": "</s>",
    "softbreak": " ",
    "hardbreak": "<br>",
}
_BREAK = re.compile(r"<br\s*/?>", re.IGNORECASE)
_ADDRESS = re.compile(r"https?://[^\s<>\"'`\\^{|}]+")
_CLOSING = {"math_inline": {"$": "$", "\\(": "\\)"}, "math_display": {"$$": "$$", "\\[": "\\]"}}


def render_inline(tokens: Sequence[Token]) -> str:
    """Return the HTML of one paragraph's inside."""
    parts: list[str] = []
    links: list[bool] = []  # whether each open link leads somewhere that may be opened
    for token in tokens:
        if token.type == "link_open":
            links.append(is_openable(str(token.attrGet("href") or "")))
            parts.append(_anchor(str(token.attrGet("href"))) if links[-1] else "")
        elif token.type == "link_close":
            parts.append("</a>" if links and links.pop() else "")
        else:
            parts.append(_render(token, in_link=bool(links)))
    return "".join(parts)


def is_openable(address: str) -> bool:
    """Tell whether a link may leave the program."""
    try:
        return urlsplit(clean_text(address)).scheme.lower() in OPENABLE
    except ValueError:
        return False


def formula_address(latex: str, *, display: bool) -> str:
    """Return the address under which a formula's picture is asked for."""
    return ("math:d" if display else "math:i") + base64.urlsafe_b64encode(latex.encode()).decode()


def formula_at(address: str) -> tuple[str, bool]:
    """Return (LaTeX, is display) of an address made by `formula_address`. Raises ValueError."""
    if address[:6] not in ("math:d", "math:i"):
        raise ValueError(address)
    return base64.urlsafe_b64decode(address[6:]).decode(), address[5] == "d"


def _render(token: Token, *, in_link: bool) -> str:
    match token.type:
        case "text" | "text_special":
            return _text(token.content, in_link=in_link)
        case "code_inline":
            return f"<code>{to_html(token.content)}</code>"
        case "image":
            return _picture(token, in_link=in_link)
        case "math_inline" | "math_display":
            return _formula(token)
        case _:
            return _MARKS.get(token.type, "") or to_html(token.content)


def _text(text: str, *, in_link: bool) -> str:
    lines = [_linked(line) if not in_link else to_html(line) for line in _BREAK.split(text)]
    return "<br>".join(lines)


def _linked(text: str) -> str:
    if "://" not in text:
        return to_html(text)
    parts: list[str] = []
    end = 0
    for found in _ADDRESS.finditer(text):
        address = _trimmed(found[0])
        parts += [to_html(text[end : found.start()]), _anchor(address), to_html(address), "</a>"]
        end = found.start() + len(address)
    return "".join([*parts, to_html(text[end:])])


def _trimmed(address: str) -> str:
    """Leave the punctuation that ends a sentence out of an address."""
    address = address.rstrip(".,;:!?*_~")
    while address.endswith(")") and address.count(")") > address.count("("):
        address = address[:-1]
    return address.rstrip("]")


def _anchor(address: str) -> str:
    return f'<a href="{to_html(address)}">'


def _picture(token: Token, *, in_link: bool) -> str:
    """Name a picture instead of fetching it."""
    address = str(token.attrGet("src") or "")
    name = to_html(token.content) or "without a name"
    if in_link or not is_openable(address):
        return f"Picture: {name}"
    return f"Picture: {_anchor(address)}{name}</a>"


def _formula(token: Token) -> str:
    display = token.type == "math_display"
    if can_typeset(token.content, display=display):
        return f'<img src="{formula_address(token.content, display=display)}">'
    closing = _CLOSING[token.type][token.markup]
    return f"<code>{to_html(token.markup + token.content + closing)}</code>"
