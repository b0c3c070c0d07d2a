"""What a new chat shows: a greeting and three things to try."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QSizePolicy, QVBoxLayout, QWidget

from app.ui.appearance import Appearance
from app.ui.controls import make_button, make_label
from app.ui.icons import draw_pixmap
from app.ui.page import Page
from app.ui.plan_card import PlanCard

_QUESTION = "Explain how a hash table works, with a small example in Python."
_PUZZLE = (
    "Three friends share a bill of 87 euros. Ana pays twice as much as Ben, and Cem pays 7 euros "
    "less than Ana. Who pays what?"
)


class Tile(QPushButton):
    """Show a large button with an icon, a title and a line below it."""

    def __init__(self, appearance: Appearance, icon: str, tone: str, title: str, line: str) -> None:
        super().__init__()
        self._appearance, self._icon, self._tone = appearance, icon, tone
        self.setProperty("look", "tile")
        self.setAccessibleName(f"{title}. {line}")
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self._picture = QLabel()
        words = QVBoxLayout()
        words.setSpacing(2)
        words.addWidget(make_label(title, "strong"))
        words.addWidget(make_label(line, "secondary", wraps=True))
        row = self._row = QHBoxLayout(self)
        row.setContentsMargins(16, 12, 16, 12)
        row.setSpacing(14)
        row.addWidget(self._picture, 0, Qt.AlignmentFlag.AlignVCenter)
        row.addLayout(words, 1)
        for label in self.findChildren(QLabel):
            label.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self._paint_icon()
        appearance.changed.connect(self._paint_icon)

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
        self.no_model = self._make_no_model()
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
        self.column.addWidget(self.plan_card)
        self.say("", has_model=False)

    def say(self, line: str, *, has_model: bool) -> None:
        """Show `line` below the greeting; without a model, show the ways to one."""
        self._line.setText(line or "Everything you write stays on this computer.")
        self.no_model.setVisible(not has_model)
        self.tiles.setVisible(has_model)

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

    def _fill_tiles(self, appearance: Appearance) -> None:
        column = QVBoxLayout(self.tiles)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(8)
        question = Tile(appearance, "zap", "accent", "Ask something", "A quick answer: how does a hash table work?")
        question.clicked.connect(lambda: self.question_suggested.emit(_QUESTION))
        puzzle = Tile(
            appearance,
            "brain",
            "think",
            "Let it think",
            "A small puzzle that is worth a few seconds of reasoning.",
        )
        puzzle.clicked.connect(lambda: self.puzzle_suggested.emit(_PUZZLE))
        picture = Tile(
            appearance,
            "image",
            "success",
            "Show a picture",
            "Drop one anywhere in this window, paste it, or choose a file.",
        )
        picture.clicked.connect(self.picture_suggested)
        for tile in (question, puzzle, picture):
            column.addWidget(tile)
