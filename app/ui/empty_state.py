"""What a new chat shows: a greeting, three things to try, and the way to a real model."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QSizePolicy, QVBoxLayout, QWidget

from app.ui.appearance import Appearance
from app.ui.controls import make_button, make_label
from app.ui.icons import draw_pixmap
from app.ui.page import Page, make_card
from app.ui.plan_card import PlanCard

_TINY = (
    "The built-in model is tiny: it names shapes and colours, adds numbers and answers questions about Solo. "
    "The model that Solo is made for writes, codes, reasons and sees."
)


@dataclass(frozen=True, slots=True)
class Suggestion:
    """Hold something to try: the line on its tile, and the message."""

    line: str
    text: str


_QUESTION = Suggestion(
    "A quick answer: how does a hash table work?",
    "Explain how a hash table works, with a small example in Python.",
)
_PUZZLE = Suggestion(
    "A small puzzle that is worth a few seconds of reasoning.",
    "Three friends share a bill of 87 euros. Ana pays twice as much as Ben, and Cem pays 7 euros "
    "less than Ana. Who pays what?",
)
# What the built-in model can answer.
_TINY_QUESTION = Suggestion("A quick answer: how do I add a picture?", "How do I add a picture?")
_TINY_PUZZLE = Suggestion("A sum of two numbers, worked out on paper first.", "What is 347 + 285?")


class Tile(QPushButton):
    """Show a large button with an icon, a title and a line below it."""

    def __init__(self, appearance: Appearance, icon: str, tone: str, title: str, line: str) -> None:
        super().__init__()
        self._appearance, self._icon, self._tone = appearance, icon, tone
        self.setProperty("look", "tile")
        self._title = title
        self._line = make_label("", "secondary", wraps=True)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self._picture = QLabel()
        words = QVBoxLayout()
        words.setSpacing(2)
        words.addWidget(make_label(title, "strong"))
        words.addWidget(self._line)
        row = self._row = QHBoxLayout(self)
        row.setContentsMargins(16, 12, 16, 12)
        row.setSpacing(14)
        row.addWidget(self._picture, 0, Qt.AlignmentFlag.AlignVCenter)
        row.addLayout(words, 1)
        for label in self.findChildren(QLabel):
            label.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.set_line(line)
        self._paint_icon()
        appearance.changed.connect(self._paint_icon)

    def set_line(self, line: str) -> None:
        """Show `line` below the title."""
        self._line.setText(line)
        self.setAccessibleName(f"{self._title}. {line}")

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """Ask for the room the words need."""
        return self._row.sizeHint().expandedTo(QSize(200, 66))

    def minimumSizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """Ask for the room the words need."""
        return QSize(120, self._row.minimumSize().height())

    def _paint_icon(self) -> None:
        color = getattr(self._appearance.colors, self._tone)
        self._picture.setPixmap(draw_pixmap(self._icon, color, 22, self.devicePixelRatioF()))


class EmptyState(Page):
    """Greet, and offer what helps: a first question, a puzzle, a picture; a model where there is none."""

    question_suggested = Signal(str)
    puzzle_suggested = Signal(str)
    picture_suggested = Signal()
    models_wanted = Signal()
    file_wanted = Signal()

    def __init__(self, appearance: Appearance) -> None:
        super().__init__("New chat", is_in_middle=True)
        self._line = make_label("", "secondary", wraps=True)
        self._line.setAlignment(Qt.AlignmentFlag.AlignHCenter)
        self._question, self._puzzle = _QUESTION, _PUZZLE
        self.no_model = self._make_no_model()
        self.real_model, self.real_model_button = self._make_real_model()
        self.tiles = QWidget()
        self._fill_tiles(appearance)
        self.plan_card = PlanCard(appearance)
        greeting = make_label("What shall we work on?", "display")
        greeting.setAlignment(Qt.AlignmentFlag.AlignHCenter)
        self.column.addWidget(greeting)
        self.column.addWidget(self._line)
        self.column.addWidget(self.no_model)
        self.column.addSpacing(12)
        self.column.addWidget(self.tiles)
        self.column.addWidget(self.real_model)
        self.column.addWidget(self.plan_card)
        self.say("", has_model=True)

    def say(self, line: str, *, has_model: bool, is_built_in: bool = False) -> None:
        """Show `line` below the greeting; without a model, or with the built-in one, show the ways to one."""
        self._line.setText(line or "Everything you write stays on this computer.")
        self.no_model.setVisible(not has_model)
        self.tiles.setVisible(has_model)
        self.real_model.setVisible(has_model and is_built_in)
        self._question, self._puzzle = (_TINY_QUESTION, _TINY_PUZZLE) if is_built_in else (_QUESTION, _PUZZLE)
        self._question_tile.set_line(self._question.line)
        self._puzzle_tile.set_line(self._puzzle.line)

    def _make_no_model(self) -> QWidget:
        holder = QWidget()
        row = QHBoxLayout(holder)
        row.setContentsMargins(0, 4, 0, 0)
        row.addStretch(1)
        choose = make_button("Choose a model", "primary")
        choose.clicked.connect(self.models_wanted)
        row.addWidget(choose)
        open_file = make_button("Open a model file…")
        open_file.clicked.connect(self.file_wanted)
        row.addWidget(open_file)
        row.addStretch(1)
        return holder

    def _make_real_model(self) -> tuple[QWidget, QPushButton]:
        card, column = make_card()
        column.addWidget(make_label(_TINY, "secondary", wraps=True))
        button = make_button("Get Mistral Small 4…", "primary")
        button.clicked.connect(self.models_wanted)
        column.addWidget(button, 0, Qt.AlignmentFlag.AlignLeft)
        return card, button

    def _fill_tiles(self, appearance: Appearance) -> None:
        column = QVBoxLayout(self.tiles)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(8)
        self._question_tile = Tile(appearance, "zap", "accent", "Ask something", _QUESTION.line)
        self._question_tile.clicked.connect(lambda: self.question_suggested.emit(self._question.text))
        self._puzzle_tile = Tile(appearance, "brain", "think", "Let it think", _PUZZLE.line)
        self._puzzle_tile.clicked.connect(lambda: self.puzzle_suggested.emit(self._puzzle.text))
        picture = Tile(
            appearance,
            "image",
            "success",
            "Show a picture",
            "Drop one anywhere in this window, paste it, or choose a file.",
        )
        picture.clicked.connect(self.picture_suggested)
        for tile in (self._question_tile, self._puzzle_tile, picture):
            column.addWidget(tile)
