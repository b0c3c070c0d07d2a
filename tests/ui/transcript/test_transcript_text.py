from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtCore import QPoint, QPointF, Qt, QUrl
from PySide6.QtGui import QDesktopServices, QGuiApplication, QImage, QTextDocument
from pytestqt.qtbot import QtBot

from app.ui.markdown.inline_html import formula_address
from app.ui.theme import DARK
from app.ui.transcript.answer import AnswerView
from app.ui.transcript.code_view import CodeView
from app.ui.transcript.piece_views import SideScroll
from app.ui.transcript.text_pane import TextPane
from app.ui.transcript.view import TranscriptView
from tests.ui.transcript.samples import answer, growing, question

# What the offscreen platform says of every window; it has no window manager to tell sizes to.
pytestmark = pytest.mark.qt_log_ignore("does not support propagateSizeHints")


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    addresses: list[str] = []
    monkeypatch.setattr(QDesktopServices, "openUrl", lambda url: addresses.append(url.toString()))
    return addresses


def shown(view: TranscriptView, text: str) -> AnswerView:
    view.show_conversation([question(), answer(text=text)])
    found = view.findChild(AnswerView)
    assert isinstance(found, AnswerView)
    return found


def spot(pane: TextPane, position: int) -> QPoint:
    layout = pane.text_document.documentLayout()
    block = pane.text_document.findBlock(position)
    line = block.layout().lineForTextPosition(position - block.position())
    x = line.cursorToX(position - block.position())
    at = x[0] if isinstance(x, tuple) else x
    return (layout.blockBoundingRect(block).topLeft() + QPointF(at + 1, line.y() + line.height() / 2)).toPoint()


def test_dragging_selects_across_paragraphs(view: TranscriptView, qtbot: QtBot) -> None:
    first, second, third = shown(view, "First one.\n\nSecond.\n\nThird one.").panes()
    qtbot.mousePress(first, Qt.MouseButton.LeftButton, pos=spot(first, 6))
    target = first.mapFromGlobal(third.mapToGlobal(spot(third, 5)))
    qtbot.mouseMove(first, target)
    view.column.made_views()[-1].panes()[0].stage.selection.extend(third.mapToGlobal(spot(third, 5)))
    qtbot.keyClick(first, Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier)
    assert QGuiApplication.clipboard().text() == "one.\n\nSecond.\n\nThird"
    qtbot.mousePress(second, Qt.MouseButton.LeftButton, pos=spot(second, 2))
    assert first.marked_text() == ""


def test_double_click_selects_a_word(view: TranscriptView, qtbot: QtBot) -> None:
    (pane,) = shown(view, "First second third").panes()
    qtbot.mouseDClick(pane, Qt.MouseButton.LeftButton, pos=spot(pane, 8))
    assert pane.marked_text() == "second"


def test_everything_can_be_selected(view: TranscriptView, qtbot: QtBot) -> None:
    first, *_ = shown(view, "One $x^2$.\n\n- two\n- three\n\n```\ncode\n```").panes()
    qtbot.keyClick(first, Qt.Key.Key_A, Qt.KeyboardModifier.ControlModifier)
    assert first.stage.selection.text() == "One $x^2$.\n\ntwo\nthree\n\ncode"


def test_a_click_opens_a_link(view: TranscriptView, qtbot: QtBot, opened: list[str]) -> None:
    (pane,) = shown(view, "See [this](https://a.b/c) and [that](file:///etc/passwd).").panes()
    qtbot.mouseClick(pane, Qt.MouseButton.LeftButton, pos=spot(pane, 5))
    assert opened == ["https://a.b/c"]
    qtbot.mouseClick(pane, Qt.MouseButton.LeftButton, pos=spot(pane, 15))
    assert len(opened) == 1


def test_links_by_keyboard(view: TranscriptView, qtbot: QtBot, opened: list[str]) -> None:
    (pane,) = shown(view, "[one](http://a.b/1) [two](http://a.b/2)").panes()
    view.activateWindow()
    qtbot.waitUntil(view.isActiveWindow)
    pane.setFocus(Qt.FocusReason.TabFocusReason)
    qtbot.keyClick(pane, Qt.Key.Key_Return)
    qtbot.keyClick(pane, Qt.Key.Key_Tab)
    qtbot.keyClick(pane, Qt.Key.Key_Return)
    assert opened == ["http://a.b/1", "http://a.b/2"]
    qtbot.keyClick(pane, Qt.Key.Key_Tab)
    assert not pane.hasFocus()


def test_a_document_loads_formulas_and_nothing_else(view: TranscriptView, tmp_path: Path) -> None:
    image = QImage(4, 4, QImage.Format.Format_RGB32)
    assert image.save(str(tmp_path / "x.png"))
    document = shown(view, "x").panes()[0].text_document
    kind = QTextDocument.ResourceType.ImageResource.value
    for address in (f"file://{tmp_path}/x.png", str(tmp_path / "x.png"), "http://127.0.0.1/x.png", "math:zz"):
        assert document.loadResource(kind, QUrl(address)).isNull()
        assert document.resource(kind, QUrl(address)) in (None, QImage())
    assert not document.loadResource(kind, QUrl(formula_address("x^2", display=False))).isNull()


def test_an_answer_reads_no_file(view: TranscriptView, tmp_path: Path) -> None:
    image = QImage(300, 300, QImage.Format.Format_RGB32)
    assert image.save(str(tmp_path / "x.png"))
    (plain,) = shown(view, "Picture").panes()
    one_line = plain.height()
    for text in (f"![Picture](file://{tmp_path}/x.png)", f"![Picture]({tmp_path}/x.png)"):
        (pane,) = shown(view, text).panes()
        assert pane.height() == one_line


def test_a_formula_sits_on_its_line(view: TranscriptView) -> None:
    plain, small, deep = shown(view, "x\n\n$x$\n\n$\\frac{\\frac{a}{b}}{\\frac{c}{d}}$").panes()
    assert small.height() == plain.height()
    assert deep.height() > plain.height()


def test_code_has_a_label_copies_and_wraps(view: TranscriptView, qtbot: QtBot) -> None:
    code = "x = 1  # " + "long " * 60
    shown(view, f"```python\n{code}\ny\n```")
    block = view.findChild(CodeView)
    assert isinstance(block, CodeView)
    assert block.accessibleName() == "Code block: Python"
    qtbot.mouseClick(block.copy_button, Qt.MouseButton.LeftButton)
    assert QGuiApplication.clipboard().text() == f"{code}\ny"
    scroll = block.findChild(SideScroll)
    assert isinstance(scroll, SideScroll)
    height = block.height()
    assert scroll.horizontalScrollBar().maximum() > 0
    qtbot.mouseClick(block.wrap_button, Qt.MouseButton.LeftButton)
    assert scroll.horizontalScrollBar().maximum() == 0
    assert block.height() > height


def test_growing_code_is_coloured_as_whole_code(view: TranscriptView) -> None:
    code = "".join(f"def f{n}(x):\n    return 'a' * x  # {n}\n" for n in range(30))
    text = f"```python\n{code}```"
    view.start_turn(question(), growing())
    for start in range(0, len(text), 11):
        view.add_answer(text[start : start + 11])
        view.show_frame()
    view.finish_turn(answer(text=text))
    grown = view.findChild(CodeView)
    assert isinstance(grown, CodeView)
    colors = formats(grown)
    shown(view, text)
    whole = view.findChildren(CodeView)[-1]
    assert isinstance(whole, CodeView)
    assert colors == formats(whole)
    assert sum(map(len, colors)) > 100


def formats(block: CodeView) -> list[list[tuple[int, int, str]]]:
    lines = []
    line = block.panes()[0].text_document.begin()
    while line.isValid():
        lines.append([(f.start, f.length, f.format.foreground().color().name()) for f in line.layout().formats()])
        line = line.next()
    return lines


def test_code_changes_its_colours_with_the_theme(view: TranscriptView) -> None:
    shown(view, "```python\ndef f(): pass\n```")
    block = view.findChild(CodeView)
    assert isinstance(block, CodeView)
    before = formats(block)
    view.set_colors(DARK)
    after = formats(block)
    assert [line[0][:2] for line in before] == [line[0][:2] for line in after]
    assert before != after


@pytest.mark.parametrize(
    "text",
    ["| a | b |\n|---|---|\n| " + "word" * 100 + " | " + "x" * 300 + " |", "$$" + "x+" * 150 + "x$$", "a" * 5_000],
)
def test_nothing_is_wider_than_the_column(view: TranscriptView, text: str) -> None:
    body = shown(view, text).body
    assert body.childrenRect().right() <= body.width()


def test_hostile_answers_are_shown(view: TranscriptView) -> None:
    for text in (
        "> " * 5_000,
        "- " * 5_000,
        "|" + "a|" * 300 + "\n|" + "-|" * 300,
        "x" * 100_000,
        "\u202e\x00\ufdd0" * 99,
    ):
        shown(view, text)
        view.grab()
