from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.engine.child.streaming import (
    Answer,
    Piece,
    Reasoning,
    ReasoningClosed,
    TagSplitter,
    ThinkMarks,
    TokenReader,
)

OPEN, CLOSE = 256, 257
MARKS = ThinkMarks(OPEN, CLOSE)


def piece_of(token: int) -> bytes:
    """A vocabulary of single bytes and two control tokens."""
    return bytes([token]) if token < 256 else b""


def take_all(reader: TokenReader, tokens: list[int]) -> list[Piece]:
    return [piece for token in tokens for piece in reader.take(token)] + reader.finish()


def split_texts(pieces: list[Piece]) -> tuple[str, str]:
    reasoning = "".join(piece.text for piece in pieces if isinstance(piece, Reasoning))
    return reasoning, "".join(piece.text for piece in pieces if isinstance(piece, Answer))


@given(st.text(), st.text())
def test_bytes_become_characters_on_either_side_of_the_mark(reasoning: str, answer: str) -> None:
    reader = TokenReader(piece_of, MARKS)

    pieces = take_all(reader, [OPEN, *_utf8(reasoning), CLOSE, *_utf8(answer)])

    assert split_texts(pieces) == (_clean(reasoning), _clean(answer))
    assert pieces.count(ReasoningClosed()) == 1


def _utf8(text: str) -> bytes:
    return text.encode("utf-8", "replace")


def _clean(text: str) -> str:
    return _utf8(text).decode()


def test_a_character_is_told_when_it_is_whole() -> None:
    reader = TokenReader(piece_of, MARKS)

    steps = [reader.take(byte) for byte in "é🌍".encode()]

    assert steps == [[], [Answer("é")], [], [], [], [Answer("🌍")]]


def test_a_broken_character_does_not_stop_the_text() -> None:
    reader = TokenReader(piece_of, MARKS)

    pieces = take_all(reader, [0xF0, 0x9F, ord("a"), 0xFF, ord("b"), 0xC3])

    assert split_texts(pieces)[1] == "�a�b�"


def test_a_half_character_before_a_mark_is_not_carried_over_it() -> None:
    reader = TokenReader(piece_of, MARKS)

    pieces = take_all(reader, [OPEN, 0xC3, CLOSE, ord("a")])

    assert pieces == [Reasoning("�"), ReasoningClosed(), Answer("a")]


def test_a_closing_mark_without_reasoning_says_nothing() -> None:
    assert take_all(TokenReader(piece_of, MARKS), [CLOSE, ord("a")]) == [Answer("a")]


def test_every_stretch_is_kept_with_its_tokens() -> None:
    reader = TokenReader(piece_of, MARKS)
    take_all(reader, [OPEN, *b"why", CLOSE, *b"so"])

    assert [(s.text, s.tokens) for s in reader.spoken] == [("", []), ("why", [*b"why"]), ("so", [*b"so"])]


@given(st.text(alphabet="<think>/ab \n"), st.data())
def test_tags_are_found_however_the_text_is_cut(text: str, data: st.DataObject) -> None:
    whole = TagSplitter()
    cut = TagSplitter()
    expected = whole.take(text) + whole.finish()
    pieces: list[Piece] = []
    rest = text
    while rest:
        length = data.draw(st.integers(1, len(rest)))
        pieces += cut.take(rest[:length])
        rest = rest[length:]
    pieces += cut.finish()

    assert split_texts(pieces) == split_texts(expected)
    assert pieces.count(ReasoningClosed()) == expected.count(ReasoningClosed())


@pytest.mark.parametrize(
    ("text", "reasoning", "answer"),
    [
        ("<think>why</think>so", "why", "so"),
        ("\n <think>why</think>so", "why", "so"),
        ("a <think>no</think> b", "", "a <think>no</think> b"),
        ("<think>one</think>two<think>three</think>", "one", "two<think>three</think>"),
        ("<thin", "", "<thin"),
        ("<think>never closed </thi", "never closed </thi", ""),
        ("", "", ""),
    ],
)
def test_only_a_tag_at_the_start_opens_reasoning(text: str, reasoning: str, answer: str) -> None:
    splitter = TagSplitter()

    assert split_texts(splitter.take(text) + splitter.finish()) == (reasoning, answer)


def test_a_template_may_have_opened_the_reasoning() -> None:
    reader = TokenReader(piece_of, ThinkMarks(), reasoning=True)
    assert reader.reasoning

    pieces = take_all(reader, [*b"why</think>so"])

    assert split_texts(pieces) == ("why", "so")
    assert not reader.reasoning


def test_text_without_tags_is_not_held_back() -> None:
    reader = TokenReader(piece_of, ThinkMarks())

    assert [reader.take(byte) for byte in b"abc"] == [[Answer("a")], [Answer("b")], [Answer("c")]]
