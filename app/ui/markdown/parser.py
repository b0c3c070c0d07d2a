"""Parse Markdown with markdown-it, in time that grows with the text and not faster."""

from __future__ import annotations

import re
from collections.abc import MutableMapping, Sequence
from functools import cache
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.token import Token

from app.ui.markdown.math_rules import install_math

References = MutableMapping[str, Any]

MARKUP_LIMIT = 20_000  # characters of one paragraph; a longer one is shown without its marks
_DEEPEST = 40
_MARK = re.compile(r"\\.|``+|`|\*\*")  # what follows a backslash is no mark; longer runs are left alone
_TASK = re.compile(r"\[([ xX])\]\s+")


def parse_blocks(text: str, references: References) -> list[Token]:
    """Return block tokens without looking inside lines; link definitions go into `references`."""
    tokens: list[Token] = []
    parser = _parser()
    parser.block.parse(text, parser, {"references": references}, tokens)
    return tokens


def parse_inline(tokens: Sequence[Token], references: References) -> None:
    """Fill in the children of every inline token, and mark the items of task lists."""
    parser = _parser()
    environment = {"references": references}
    for index, token in enumerate(tokens):
        if token.type != "inline":
            continue
        if index >= 2 and tokens[index - 2].type == "list_item_open":
            _mark_task(tokens[index - 2], token)
        children: list[Token] = []
        if len(token.content) > MARKUP_LIMIT:
            children = [Token("text", "", 0, content=token.content)]
        else:
            parser.inline.parse(token.content, parser, environment, children)
        token.children = children


def parse(text: str, references: References, *, open_ended: bool = False) -> list[Token]:
    """Return all tokens of `text`; link definitions go into `references`.

    `open_ended` is for a text that still arrives: code and bold print that are open at its end count as
    closed there, so that their marks don't flash up before the words they belong to are complete.
    """
    tokens = parse_blocks(text, references)
    if open_ended:
        _close_marks(tokens)
    parse_inline(tokens, references)
    return tokens


@cache
def _parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": False, "maxNesting": _DEEPEST})
    parser.enable(["table", "strikethrough"])
    parser.disable(["html_block", "html_inline"])
    install_math(parser)
    return parser


def _mark_task(item: Token, line: Token) -> None:
    task = _TASK.match(line.content)
    if task:
        item.attrSet("class", "unchecked" if task[1] == " " else "checked")
        line.content = line.content[task.end() :]


def _close_marks(tokens: Sequence[Token]) -> None:
    last = next((token for token in reversed(tokens) if token.nesting >= 0), None)
    if last is not None and last.type == "inline" and len(last.content) <= MARKUP_LIMIT:
        last.content = close_marks(last.content)


def close_marks(line: str) -> str:
    """Return `line` with the code span or bold print closed that is open at its end."""
    open_code = bold = False
    for mark in _MARK.findall(line):
        if mark == "`":
            open_code = not open_code
        elif mark == "**" and not open_code:
            bold = not bold
    closed = line.rstrip()
    if open_code:
        closed = closed[:-1] if closed.endswith("`") else closed + "`"
    elif closed.endswith("*") and not closed.endswith("**") and bold:
        closed += "*"
        bold = False
    if bold:
        closed = closed[:-2] if closed.endswith("**") else closed + "**"
    return closed if open_code or bold or closed != line.rstrip() else line
