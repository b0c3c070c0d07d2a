"""The settings of how the model draws its words, for each mode."""

from __future__ import annotations

from collections.abc import Mapping

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLineEdit, QVBoxLayout, QWidget

from app.core.messages import ReasoningEffort
from app.core.sampling import RANGES, SAMPLING, Range
from app.core.settings import Settings
from app.ui.controls import Segmented, make_button, make_label

_MODES = (ReasoningEffort.NONE, ReasoningEffort.HIGH)
_SIMPLE = ("temperature", "top_p", "top_k", "min_p", "seed")
_BUDGET = Range("Thinking budget", 0, 1 << 24, "how many tokens it may think; empty or 0 is no limit", is_whole=True)
_FIELD_WIDTH = 190


class NumberField(QWidget):
    """Take one number; empty means not chosen. What can't be used is said below and not handed on."""

    edited = Signal()

    def __init__(self, limits: Range) -> None:
        super().__init__()
        self._limits = limits
        self.input = QLineEdit()
        self.input.setFixedWidth(_FIELD_WIDTH)
        self.input.setAccessibleName(limits.name)
        self.complaint = make_label("", "error", wraps=True)
        self.complaint.hide()
        row = QHBoxLayout()
        row.setSpacing(16)
        words = QVBoxLayout()
        words.setSpacing(0)
        words.addWidget(make_label(limits.name))
        words.addWidget(make_label(limits.about[:1].upper() + limits.about[1:] + ".", "small", wraps=True))
        row.addLayout(words, 1)
        row.addWidget(self.input)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(2)
        column.addLayout(row)
        column.addWidget(self.complaint)
        self.input.textEdited.connect(self._read)

    @property
    def number(self) -> int | float | None:
        """Return the number, or None where nothing usable is written."""
        try:
            return self._limits.read(self.input.text()) if self.input.text().strip() else None
        except ValueError:
            return None

    def show_number(self, number: float | None, default: str) -> None:
        """Show a number, or `default` in its place where none was chosen."""
        self.input.setPlaceholderText(default)
        self.input.setText("" if number is None else f"{number:.10g}")
        self._complain("")

    def _read(self, text: str) -> None:
        try:
            if text.strip():
                self._limits.read(text)
        except ValueError as complaint:
            self._complain(str(complaint))
            return
        self._complain("")
        self.edited.emit()

    def _complain(self, words: str) -> None:
        self.complaint.setText(words)
        self.complaint.setVisible(bool(words))


class SamplingCard(QFrame):
    """Let the person choose how tokens are drawn in each mode; `edited` after every usable change."""

    edited = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("card")
        self._choices: dict[ReasoningEffort, dict[str, float]] = {mode: {} for mode in _MODES}
        self.mode = Segmented("Settings for", ("Fast", "Think"))
        self.fields = {name: NumberField(limits) for name, limits in RANGES.items()}
        self.budget = NumberField(_BUDGET)
        self.more_button = make_button("More samplers", "link")
        self.reset_button = make_button("As the makers say")
        self._more = QWidget()
        self._lay_out()
        self._connect()
        self.show_settings(Settings())

    @property
    def think_budget(self) -> int:
        """Return the budget in tokens; 0 is no limit."""
        return int(self.budget.number or 0)

    def choices(self, effort: ReasoningEffort) -> dict[str, float]:
        """Return what was chosen for one mode."""
        return dict(self._choices[effort])

    def show_settings(self, settings: Settings) -> None:
        """Show `settings` without telling anyone of a change; what is being written is left alone."""
        wanted: dict[ReasoningEffort, Mapping[str, float]] = {mode: settings.sampling_choices(mode) for mode in _MODES}
        if (
            wanted == self._choices
            and settings.think_budget == self.think_budget
            and self.budget.input.placeholderText()
        ):
            return
        self._choices = {mode: dict(choices) for mode, choices in wanted.items()}
        self.budget.show_number(settings.think_budget or None, "no limit")
        self._show_mode()

    def reset(self) -> None:
        """Forget what was chosen for the mode that is shown."""
        self._choices[self._shown] = {}
        if self._shown is ReasoningEffort.HIGH:
            self.budget.show_number(None, "no limit")
        self._show_mode()
        self.edited.emit()

    @property
    def _shown(self) -> ReasoningEffort:
        return _MODES[self.mode.value]

    def _lay_out(self) -> None:
        column = QVBoxLayout(self)
        column.setContentsMargins(16, 14, 16, 14)
        column.setSpacing(10)
        head = QHBoxLayout()
        head.addWidget(make_label("How the model chooses its words", "strong"), 1)
        head.addWidget(self.mode)
        column.addLayout(head)
        about = "What is empty is as the model’s makers say. In force from the next message on."
        column.addWidget(make_label(about, "small", wraps=True))
        folded = QVBoxLayout(self._more)
        folded.setContentsMargins(0, 0, 0, 0)
        folded.setSpacing(10)
        column.addWidget(self.budget)
        for name, number in self.fields.items():
            (column if name in _SIMPLE else folded).addWidget(number)
        column.addWidget(self._more)
        self._more.hide()
        foot = QHBoxLayout()
        foot.addWidget(self.more_button)
        foot.addStretch(1)
        foot.addWidget(self.reset_button)
        column.addLayout(foot)

    def _connect(self) -> None:
        self.mode.chosen.connect(self._show_mode)
        self.more_button.clicked.connect(self._fold)
        self.reset_button.clicked.connect(self.reset)
        self.budget.edited.connect(self.edited)
        for name, number in self.fields.items():
            number.edited.connect(lambda name=name: self._choose(name))

    def _fold(self) -> None:
        self._more.setVisible(self._more.isHidden())
        self.more_button.setText("More samplers" if self._more.isHidden() else "Fewer samplers")

    def _choose(self, name: str) -> None:
        number = self.fields[name].number
        if number is None:
            self._choices[self._shown].pop(name, None)
        else:
            self._choices[self._shown][name] = number
        self.reset_button.setEnabled(True)
        self.edited.emit()

    def _show_mode(self) -> None:
        prescribed, chosen = SAMPLING[self._shown], self._choices[self._shown]
        for name, number in self.fields.items():
            default = getattr(prescribed, name)
            number.show_number(chosen.get(name), "as it comes" if default is None else f"{default:.10g}")
        thinks = self._shown is ReasoningEffort.HIGH
        self.budget.setVisible(thinks)
        self.reset_button.setEnabled(bool(chosen) or (thinks and self.think_budget > 0))
