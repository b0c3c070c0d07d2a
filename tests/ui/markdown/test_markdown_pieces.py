from __future__ import annotations

import time

import pytest

from app.ui.markdown.inline_html import formula_address, formula_at, is_openable
from app.ui.markdown.pieces import CodePiece, FormulaPiece, Frame, HtmlPiece, Piece, RulePiece, TablePiece
from app.ui.markdown.stream import render

ITEM, QUOTE = Frame.ITEM, Frame.QUOTE


def html(text: str) -> str:
    return "".join(piece.html for piece in render(text) if isinstance(piece, HtmlPiece | TablePiece))


def only(text: str) -> Piece:
    (piece,) = render(text)
    return piece


def test_plain_marks() -> None:
    assert html("a **b** *c* ~~d~~ `e`") == "<p>a <b>b</b> <i>c</i> <s>d</s> <code>e</code></p>"


def test_headings() -> None:
    assert render("# One\n\nTwo\n===\n") == [
        HtmlPiece('<p class="h1">One</p>', heading=1),
        HtmlPiece('<p class="h1">Two</p>', heading=1),
    ]


def test_code_in_a_list_has_a_widget_of_its_own() -> None:
    assert render("1. one\n   ```py\n   x = 1\n   ```\n   more\n2. two\n") == [
        HtmlPiece('<ol start="1"><li>one</li></ol>'),
        CodePiece("x = 1", "py", (ITEM,)),
        HtmlPiece("<p>more</p>", (ITEM,), joins=True),
        HtmlPiece('<ol start="2"><li>two</li></ol>', joins=True),
    ]


def test_nested_lists_stay_together() -> None:
    assert only("- a\n  - b\n- c\n") == HtmlPiece("<ul><li>a<ul><li>b</li></ul></li><li>c</li></ul>")


def test_quotes_become_frames() -> None:
    assert render("> a\n>\n> > b\n\nc") == [
        HtmlPiece("<p>a</p>", (QUOTE,)),
        HtmlPiece("<p>b</p>", (QUOTE, QUOTE), joins=True),
        HtmlPiece("<p>c</p>"),
    ]


def test_task_lists() -> None:
    expected = '<ul><li class="unchecked">a <b>b</b></li><li class="checked">c</li><li>[y] d</li></ul>'
    assert html("- [ ] a **b**\n- [x] c\n- [y] d\n") == expected


def test_tables() -> None:
    piece = only("| a | b |\n|---|--:|\n| 1<br>2 | `x` |\n")
    assert isinstance(piece, TablePiece)
    assert '<td align="left">1<br>2</td><td align="right"><code>x</code></td>' in piece.html


def test_a_rule() -> None:
    assert only("---") == RulePiece()


@pytest.mark.parametrize(
    "raw", ["<script>alert(1)</script>", "<img src='file:///etc/passwd'>", "<div>\n\n<b>x</b>", "<a href=x>y</a>"]
)
def test_raw_html_is_text(raw: str) -> None:
    for text in (raw, f"- {raw}", f"> {raw}", f"# {raw}", f"|a|\n|-|\n|{raw}|", f"`{raw}`", f"[{raw}](http://a.b)"):
        shown = html(text)
        assert "<script" not in shown
        assert "<img" not in shown
        assert "<div" not in shown
        assert "<a href=x" not in shown


def test_only_harmless_links_can_be_opened() -> None:
    text = "[a](http://a.b) [b](https://a.b) [c](mailto:a@b.c) [d](file:///etc/passwd) [e](javascript:x) [f](ftp://a)"
    assert [part.split('"')[0] for part in html(text).split('href="')[1:]] == [
        "http://a.b",
        "https://a.b",
        "mailto:a@b.c",
    ]


@pytest.mark.parametrize(
    "address",
    ["", "x", "//a.b", "data:text/html,x", "FILE:///x", "java\u202escript:x", "http", "smb://a/b", "http://["],
)
def test_other_addresses_are_not_opened(address: str) -> None:
    assert not is_openable(address)


def test_bare_addresses_become_links() -> None:
    assert html("See https://a.b/c_(d), ok?") == ('<p>See <a href="https://a.b/c_(d)">https://a.b/c_(d)</a>, ok?</p>')
    assert "<a" not in html("`https://a.b`")


def test_quotes_in_an_address_can_not_leave_the_attribute() -> None:
    assert html('[x](<http://a.b/"onclick=y>)') == '<p><a href="http://a.b/%22onclick=y">x</a></p>'


def test_pictures_are_named_and_never_shown() -> None:
    assert html("![a chart](https://a.b/c.png)") == '<p>Picture: <a href="https://a.b/c.png">a chart</a></p>'
    assert html("![](x.png)") == "<p>Picture: without a name</p>"
    assert "<img" not in html("![a](file:///etc/passwd) ![b](math:iYQ==)")


def test_formulas() -> None:
    for text in ("$x^2$", "\\(x^2\\)"):
        assert html(text) == f'<p><img src="{formula_address("x^2", display=False)}"></p>'
    for text in ("$$x^2$$", "\\[x^2\\]", "$$\nx^2\n$$", "\\[\nx^2\n\\]"):
        piece = only(text)
        assert isinstance(piece, FormulaPiece)
        assert piece.latex.strip() == "x^2"
    assert formula_at(formula_address("x^2", display=True)) == ("x^2", True)


@pytest.mark.parametrize(
    "text",
    [
        "It costs $5 and $10.",
        "between $5-$10, or US$5",
        "$5,000 to $6,000",
        "from $HOME/bin to $PATH",
        "$1 million, or 2$",
        "\\$x\\$",
        "a $ b $ c",
        "`$x$`",
        "$5 (was $6)",
    ],
)
def test_prices_are_no_formulas(text: str) -> None:
    assert "<img" not in html(text)


def test_broken_latex_shows_its_source() -> None:
    assert html("$\\frac{a$") == "<p><code>$\\frac{a$</code></p>"
    assert only("$$\n\\frac{a\n$$") == CodePiece("\\frac{a", "latex")
    assert html("$$\nx = 1\n\nmore") == "<p>$$<br>x = 1</p><p>more</p>"


def test_exponents_of_matrices() -> None:
    assert isinstance(only("$$\\begin{pmatrix} a & b \\\\ c & d \\end{pmatrix}^{-1}$$"), FormulaPiece)


def test_invisible_orders_are_removed() -> None:
    text = "a\u202eb\x00c\x1bd\ufdd0e\u2066f &#x202e;&#xFDD0;g\ud800"
    assert html(text) == "<p>abcdef \ufffdg\ufffd</p>"
    assert only("```\nx\u202ey\x07\u2028z\n```") == CodePiece("xy\nz")


HOSTILE = {
    "quotes": "> " * 100_000,
    "lists": "- " * 100_000,
    "brackets": "[" * 100_000,
    "open links": "[a](" * 20_000,
    "lines of brackets": "[\n" * 50_000,
    "emphasis": "**a_" * 20_000,
    "backticks": "".join("`" * (n % 300) + " " for n in range(1_000)),
    "dollars": "$a " * 30_000,
    "parentheses": "\\(a " * 30_000,
    "one line": "word " * 200_000,
    "one word": "a" * 1_000_000,
    "a table": "|a|b|\n|-|-|\n" + "|1|2|\n" * 5_000,
    "a wide table": "|" + "a|" * 5_000 + "\n|" + "-|" * 5_000 + "\n",
    "deep lists": "".join(" " * n * 2 + "- x\n" for n in range(500)),
    "definitions": "".join(f"[a{n}]: b\n" for n in range(10_000)),
    "formulas": "$$\n" * 20_000,
    "braces": "$" + "{" * 1_000 + "x" + "}" * 500 + "$",
    "entities": "&" * 100_000,
    "controls": "\x00\x1b[31m\u202e" * 20_000,
    "headings": "# a\n" * 5_000,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_text_takes_bounded_time(name: str) -> None:
    started_s = time.process_time()
    pieces = render(HOSTILE[name])
    assert time.process_time() - started_s < 8
    assert all(len(piece.frames) <= 8 for piece in pieces)
    assert all(len(piece.html) < 200_000 for piece in pieces if isinstance(piece, HtmlPiece | TablePiece))
