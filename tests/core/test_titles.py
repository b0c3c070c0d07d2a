from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.messages import Part, Picture, Text
from app.core.titles import TITLE_LENGTH, suggest_file_name, title_from

PICTURE = Picture("a" * 64, "cup.jpg", "image/jpeg", 1, 1, 1)
LONG = "Please explain to me how the garbage collector of CPython finds cycles in memory"


@pytest.mark.parametrize(
    ("parts", "title"),
    [
        ((Text("Hello there"),), "Hello there"),
        ((Text("\n\n  # Plan for   *today*\nmore"),), "Plan for *today*"),
        ((Text("- 1. > item"),), "item"),
        ((Text("```\nprint(1)\n```"),), "print(1)"),
        ((Text(LONG),), "Please explain to me how the garbage collector of CPython…"),
        ((Text("x" * 100),), "x" * 59 + "…"),
        ((Text("1.5 is a number"),), "1.5 is a number"),
        ((Text("#hashtag"),), "#hashtag"),
        ((PICTURE, Text("What is this?")), "What is this?"),
        ((PICTURE,), "Picture"),
        ((PICTURE, Text("  "), PICTURE), "Pictures"),
        ((), "New conversation"),
        ((Text("--- \n***"),), "New conversation"),
        ((Text("a\x00b\u202ec\ud800"),), "abc"),
        ((Text("👩\u200d👩\u200d👧 family"),), "👩\u200d👩\u200d👧 family"),
    ],
)
def test_a_title_is_the_first_line_with_words(parts: tuple[Part, ...], title: str) -> None:
    assert title_from(parts) == title


@given(st.lists(st.text().map(Text) | st.just(PICTURE), max_size=3))
def test_a_title_is_always_one_short_line(parts: list[Part]) -> None:
    title = title_from(parts)
    assert 0 < len(title) <= TITLE_LENGTH
    assert len(title.splitlines()) == 1
    assert title == title.strip()


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("Trip to Kyoto", "Trip to Kyoto"),
        ("a/b\\c: d?", "a b c d"),
        ("../../etc/passwd", "etc passwd"),
        ("..", "Conversation"),
        ("", "Conversation"),
        (".hidden", "hidden"),
        ("ends with dots...", "ends with dots"),
        ("CON", "CON_"),
        ("nul.txt", "nul_.txt"),
        ("Com1 .x", "Com1_.x"),
        ("console", "console"),
        ("数据库 – été", "数据库 – été"),
        ("e\u0301", "é"),
        ("line\r\nbreak\ttab\x00nul", "line break tabnul"),
        ("evil\u202egpj.exe", "evilgpj.exe"),
        ("w " * 100, ("w " * 40).strip()),
    ],
)
def test_a_file_name_is_safe_everywhere(title: str, name: str) -> None:
    assert suggest_file_name(title) == name


@given(st.text(max_size=300))
def test_any_title_gives_a_name_the_system_accepts(tmp_path_factory: pytest.TempPathFactory, title: str) -> None:
    name = suggest_file_name(title)
    assert len(name.encode()) <= 181
    assert not set(name) & set('<>:"/\\|?*')
    assert name == name.strip(" ")
    assert not name.startswith(".")
    path = Path(tmp_path_factory.getbasetemp()) / f"{name}.md"
    path.write_text("x")
    assert path.read_text() == "x"
    path.unlink()
