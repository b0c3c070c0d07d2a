from __future__ import annotations

import pytest

from app.ui.markdown.highlight import DARK_INKS, LIGHT_INKS, LONGEST_CODE, Ink, Span, highlight, language_label
from app.ui.theme import DARK, LIGHT


def luminance(color: str) -> float:
    parts = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("ink", Ink)
def test_every_ink_can_be_read(ink: Ink) -> None:
    assert contrast(LIGHT_INKS[ink], LIGHT.code_background) >= 4.5
    assert contrast(DARK_INKS[ink], DARK.code_background) >= 4.5


def test_spans_cover_what_they_name() -> None:
    lines = highlight("def f():\n    return 'x'  # why", "python")
    assert lines[0][:2] == (Span(0, 3, Ink.KEYWORD), Span(4, 1, Ink.NAME))
    assert Span(16, 5, Ink.COMMENT) in lines[1]


def test_positions_count_utf16_units() -> None:
    (line,) = highlight("'🙂' # c", "python")
    assert Span(5, 3, Ink.COMMENT) in line


def test_a_string_over_several_lines() -> None:
    lines = highlight('x = """a\nb\n"""', "python")
    assert all(line[-1].ink is Ink.STRING for line in lines)


@pytest.mark.parametrize("language", ["", "klingon", "../../etc", "a" * 500, "\x00", "python; rm"])
def test_unknown_languages_stay_plain(language: str) -> None:
    assert highlight("def f(): pass", language) == [()]


def test_giant_code_stays_plain() -> None:
    assert not any(highlight("x = 1\n" * LONGEST_CODE, "python"))
    assert not any(highlight("x" * 10_000, "python"))


@pytest.mark.parametrize(
    ("language", "label"),
    [("py", "Python"), ("r", "R"), ("c++", "C++"), ("", "Code"), ("foo bar", "Code"), ("zz", "zz")],
)
def test_labels(language: str, label: str) -> None:
    assert language_label(language) == label
