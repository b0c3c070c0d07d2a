"""Where a model goes, in bars and in words."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtWidgets import QFrame, QLabel, QVBoxLayout, QWidget

from app.core.facts import BufferUse, Plan
from app.ui.appearance import Appearance
from app.ui.bars import PlanBars
from app.ui.controls import make_label
from app.ui.page import clear_layout
from app.ui.units import in_speed, in_tokens


class PlanCard(QFrame):
    """Show the plan of a model before and while it is loaded."""

    def __init__(self, appearance: Appearance) -> None:
        super().__init__()
        self.setObjectName("card")
        self._appearance = appearance
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(16, 14, 16, 14)
        self._column.setSpacing(10)
        self._shown: tuple[str, Plan] | None = None
        self._measured: tuple[BufferUse, ...] = ()
        self.hide()

    def show_ram(self, ram_bytes: int) -> None:
        """Show the plan again now that the size of the system's RAM is known."""
        if self._shown is not None:
            was_hidden = self.isHidden()
            self._show(*self._shown, ram_bytes)
            self.setHidden(was_hidden)

    def words(self) -> list[str]:
        """Return everything that is written on the card."""
        return [label.text() for label in self.findChildren(QLabel)]

    def show_measured(self, measured: Sequence[BufferUse], ram_bytes: int) -> None:
        """Show beside the plan what its devices really hold."""
        if self._shown is not None:
            self._measured = tuple(measured)
            self._show(*self._shown, ram_bytes)

    def show_plan(self, title: str, plan: Plan, ram_bytes: int) -> None:
        """Show `plan` under `title`; `ram_bytes` is all of the system's RAM, 0 while unknown."""
        self._measured = ()
        self._show(title, plan, ram_bytes)

    def _show(self, title: str, plan: Plan, ram_bytes: int) -> None:
        self._shown = (title, plan)
        clear_layout(self._column)
        self._column.addWidget(make_label(title, "strong", wraps=True))
        self._column.addWidget(make_label(_summary(plan), "secondary", wraps=True))
        self._column.addWidget(PlanBars(self._appearance, plan, ram_bytes, self._measured))
        self._column.addWidget(make_sentences(plan.reasons))
        self.show()


def _summary(plan: Plan) -> str:
    context = f"With a context of {in_tokens(plan.context_tokens)}"
    if plan.expected_tokens_per_second <= 0:
        return f"{context}."
    return f"{context}; expected: about {in_speed(plan.expected_tokens_per_second)}."


def make_sentences(sentences: Sequence[str]) -> QWidget:
    """Return sentences one below the other."""
    holder = QWidget()
    column = QVBoxLayout(holder)
    column.setContentsMargins(0, 4, 0, 0)
    column.setSpacing(4)
    for sentence in sentences:
        column.addWidget(make_label(sentence, "secondary", wraps=True))
    return holder
