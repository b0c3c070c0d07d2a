from __future__ import annotations

import re
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from app.ui.markdown.clean import clean_text
from app.ui.markdown.flatten import flatten
from app.ui.markdown.parser import close_marks, parse
from app.ui.markdown.pieces import CodePiece, HtmlPiece, Piece
from app.ui.markdown.stream import MarkdownStream

_LINES = [
    "", "", "", "plain text", "more **bold** and *soft*", "# Heading", "## Another", "---", "===", "***",
    "- item", "* star", "+ plus", "1. one", "2. two", "7) seven", "  - nested", "    - deeper",
    "   indented", "    code", "- [ ] open", "- [x] done", "> quote", "> - in quote", ">", "> > deep",
    "```python", "```", "~~~", "   ```", "def f(): pass", "| a | b |", "|---|--:|", "| 1 | $x$ |", "$$",
    "x^2 - 1", "\\[", "\\]", "$$ a $$", "\\( b \\) and $c$", "costs $5 and $10", "[foo] and [bar][foo]",
    "[foo]: http://a.org", "'title'", '[foo]: http://b.org "t"', "![pic](http://c.org/x.png)", "<div>",
    "</div>", "<!-- note", "-->", "line  ", "back\\", "`code` and ``two``", "`open", "**open",
    "http://d.org/a_b_c.", "&copy; &#x202e;", "\ttab", "- ", "-", "1.", "\u202eevil", "🙂 smile", "a | b",
    "-|-",
]  # fmt: skip

documents = st.lists(st.sampled_from(_LINES), max_size=14).map("\n".join)


def whole(text: str) -> list[Piece]:
    """Parse everything in one go, without the stream: what every way of streaming must end in."""
    return flatten(parse(clean_text(text), {}))


def streamed(text: str, cuts: list[int]) -> list[Piece]:
    growing = MarkdownStream()
    pieces: list[Piece] = []
    bounds = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    for start, end in pairwise(bounds):
        growing.feed(text[start:end])
        update = growing.update()
        pieces[update.first :] = update.pieces
    update = growing.finish()
    pieces[update.first :] = update.pieces
    return pieces


@settings(max_examples=400, deadline=None)
@given(documents, st.lists(st.integers(0, 200), max_size=8))
@example("[foo]: /url\n'title\nmore'\n\n[foo]", [13, 20])
@example("$$\nx\n- y\n$$\n\ntext", [7, 9])
@example("a\n\n- b\n\n  c\n- d\n\ne", [5, 8, 11])
def test_streaming_ends_in_what_one_parse_gives(text: str, cuts: list[int]) -> None:
    assert streamed(text, cuts) == whole(text)


@settings(max_examples=60, deadline=None)
@given(documents)
def test_streaming_letter_by_letter_ends_in_what_one_parse_gives(text: str) -> None:
    assert streamed(text, list(range(len(text)))) == whole(text)


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=300), st.lists(st.integers(0, 300), max_size=5))
def test_any_text_can_be_streamed(text: str, cuts: list[int]) -> None:
    assert streamed(text, cuts) == whole(text)


def test_settled_blocks_are_not_parsed_again() -> None:
    growing = MarkdownStream()
    growing.feed("# One\n\nTwo\n\nThree\n\nFo")
    first = growing.update()
    growing.feed("ur")
    second = growing.update()
    assert len(first.pieces) == 4
    assert second.first == 2
    assert second.pieces == [HtmlPiece("<p>Three</p>"), HtmlPiece("<p>Four</p>")]


def test_an_open_fence_stays_the_tail() -> None:
    growing = MarkdownStream()
    growing.feed("Look:\n\n```python\nx = 1\n\n# not a heading\n")
    update = growing.update()
    assert update.pieces == [HtmlPiece("<p>Look:</p>"), CodePiece("x = 1\n\n# not a heading", "python")]


def test_a_link_defined_at_the_end_reaches_back() -> None:
    text = "See [the book].\n\nMore.\n\n[the book]: https://example.org/b\n"
    pieces = streamed(text, [20, 30])
    assert pieces[0] == HtmlPiece('<p>See <a href="https://example.org/b">the book</a>.</p>')


@pytest.mark.parametrize("marker", ["- ", "1. ", "3) "])
@pytest.mark.parametrize("n_items", [7, 8, 9, 16, 17, 100])
def test_a_long_list_is_cut_the_same_way_however_it_arrives(n_items: int, marker: str) -> None:
    text = "Intro\n\n" + f"{marker}item [ref]\n   - nested\n\n     text\n" * n_items + "\nEnd\n\n[ref]: http://a.b"
    assert streamed(text, list(range(0, len(text), 13))) == whole(text)


def test_a_long_list_keeps_its_numbers() -> None:
    text = "1. item\n" * 20
    html = "".join(piece.html for piece in streamed(text, [30, 90]) if isinstance(piece, HtmlPiece))
    assert re.findall(r"start=.(\d+)", html) == ["1", "9", "17"]
    assert html.count("<li>") == 20


def test_a_finished_part_of_an_open_list_is_settled() -> None:
    growing = MarkdownStream()
    growing.feed("- item\n" * 30)
    growing.update()
    growing.feed("- last")
    assert growing.update().first == 3


@pytest.mark.parametrize(
    ("arrived", "shown"),
    [
        ("a **bo", "a **bo**"),
        ("a **", "a "),
        ("a **b*", "a **b**"),
        ("a **b**", "a **b**"),
        ("a `co", "a `co`"),
        ("a `", "a "),
        ("**a `co", "**a `co`**"),
        ("`a ** b`", "`a ** b`"),
        (r"a \**b", r"a \**b"),
        ("2 * 3 *", "2 * 3 *"),
        ("``a ` b", "``a ` b`"),
        ("plain  ", "plain  "),
    ],
)
def test_open_marks_are_closed_while_text_arrives(arrived: str, shown: str) -> None:
    assert close_marks(arrived) == shown


def test_marks_do_not_flash_up() -> None:
    growing = MarkdownStream()
    growing.feed("A **bold")
    assert growing.update().pieces == [HtmlPiece("<p>A <b>bold</b></p>")]
    growing.feed(" word** and 2 ** 3")
    assert growing.finish().pieces == [HtmlPiece("<p>A <b>bold word</b> and 2 ** 3</p>")]
