r"""Find formulas: `$…$`, `$$…$$`, `\(…\)`, `\[…\]`, and leave prices alone.

A display formula ends at its closing mark or at the first blank line. Where it ends never depends on
what comes after, so a text can be split into blocks while it still arrives.
"""

from __future__ import annotations

import re

from markdown_it import MarkdownIt
from markdown_it.rules_block import StateBlock
from markdown_it.rules_inline import StateInline

FORMULA_LIMIT = 2_000  # characters; longer ones stay source
_CLOSING = {"$$": "$$", "\\[": "\\]", "\\(": "\\)"}
_PRICE = re.compile(r"\d[\d.,]*\s+[A-Za-z]{2,}|[\d.,]+[kKmMbB]?$|[\d.,]+[^\\^_={}]*[,;:]\s")


def install_math(parser: MarkdownIt) -> None:
    """Teach `parser` formulas: tokens `math_inline`, `math_display`, `math_block` and `math_open`."""
    parser.block.ruler.before("fence", "math_block", _block, {"alt": ["paragraph", "reference", "blockquote", "list"]})
    parser.inline.ruler.before("escape", "math_inline", _inline)


def _block(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    if state.is_code_block(start):
        return False
    first = state.src[state.bMarks[start] + state.tShift[start] : state.eMarks[start]]
    opening = first[:2]
    if opening not in ("$$", "\\[") or first[2:3] == "$":
        return False
    closed_at = first.find(_CLOSING[opening], 2)
    if closed_at >= 0 and first[closed_at + 2 :].strip():
        return False  # a formula within a line of text
    if silent:
        return True
    lines, line, closed = _collect(state, start, end, first[2:], _CLOSING[opening])
    token = state.push("math_block" if closed else "math_open", "math", 0)
    token.block = True
    token.content = "\n".join(lines) if closed else opening + "\n".join(lines)
    token.markup = opening
    token.map = [start, line]
    state.line = line
    return True


def _collect(state: StateBlock, start: int, end: int, rest: str, closing: str) -> tuple[list[str], int, bool]:
    """Return the formula's lines, the line after it, and whether it was closed."""
    lines: list[str] = []
    line = start
    while True:
        line += 1
        before, mark, _after = rest.partition(closing)
        lines.append(before if mark else rest)
        if mark:
            return lines, line, True
        if line >= end or state.isEmpty(line) or state.sCount[line] < state.blkIndent:
            return lines, line, False
        rest = state.src[state.bMarks[line] + state.tShift[line] : state.eMarks[line]]


def _inline(state: StateInline, silent: bool) -> bool:
    source, at = state.src, state.pos
    if source[at] == "$":
        return _dollars(state, silent)
    opening = source[at : at + 2]
    if opening not in ("\\(", "\\["):
        return False
    closed_at = source.find(_CLOSING[opening], at + 2, at + FORMULA_LIMIT)
    if closed_at < 0:
        return False
    return _push(state, silent, (at + 2, closed_at), closed_at + 2, display=opening == "\\[")


def _dollars(state: StateInline, silent: bool) -> bool:
    source, at = state.src, state.pos
    if source.startswith("$$", at):
        closed_at = source.find("$$", at + 2, at + FORMULA_LIMIT)
        if closed_at > at + 2:
            return _push(state, silent, (at + 2, closed_at), closed_at + 2, display=True)
        return False
    if at and (source[at - 1].isalnum() or source[at - 1] in "$\\"):
        return False
    closed_at = _closing_dollar(source, at + 1)
    if closed_at < 0 or source[at + 1].isspace() or _PRICE.match(source, at + 1, closed_at):
        return False
    return _push(state, silent, (at + 1, closed_at), closed_at + 1, display=False)


def _closing_dollar(source: str, start: int) -> int:
    """Return where the first dollar after `start` stands if it can close a formula, else -1."""
    at = source.find("$", start, start + FORMULA_LIMIT)
    while at > 0 and source[at - 1] == "\\":
        at = source.find("$", at + 1, start + FORMULA_LIMIT)
    if at <= start or source[at - 1].isspace():
        return -1
    following = source[at + 1 : at + 2]
    return -1 if following.isalnum() or following == "$" else at


def _push(state: StateInline, silent: bool, inside: tuple[int, int], end: int, *, display: bool) -> bool:
    content = state.src[inside[0] : inside[1]]
    if not content.strip():
        return False
    if not silent:
        token = state.push("math_display" if display else "math_inline", "math", 0)
        token.content = content
        token.markup = state.src[state.pos : inside[0]]
    state.pos = end
    return True
