"""The line above every page: title, model and its state, menu; and the thin bar while a model loads."""

from __future__ import annotations

from enum import Enum

from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QMenu,
    QProgressBar,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from app.ui.appearance import Appearance
from app.ui.controls import ElidedLabel, IconButton, StateDot, make_button
from app.ui.units import in_percent

_MODEL_WIDTH = 260
_STEPS = 1000


class ModelState(Enum):
    """How the model is, in the words and the colour that say it."""

    NONE = ("no model", "text_secondary")
    LOADING = ("loading", "warning")
    READY = ("ready", "success")
    STOPPED = ("stopped", "error")


class Header(QWidget):
    """Show which chat and which model this is."""

    def __init__(self, appearance: Appearance) -> None:
        super().__init__()
        self.sidebar_button = IconButton(appearance, "panel-left", "Show the sidebar (Ctrl+B)")
        self.new_button = IconButton(appearance, "square-pen", "New chat (Ctrl+N)", "accent")
        self.title = ElidedLabel("New chat", "title")
        self.model_button = QToolButton()
        self.model_button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.model_button.setMaximumWidth(_MODEL_WIDTH)
        self.dot = StateDot(appearance, "text_secondary")
        self.cancel_button = make_button("Cancel", "link")
        self.cancel_button.setAccessibleName("Cancel loading")
        self.close_button = IconButton(appearance, "x", "Back to the chat (Esc)")
        self.menu_button = IconButton(appearance, "ellipsis", "Menu")
        self.menu_button.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.menu = QMenu(self)
        self.menu_button.setMenu(self.menu)
        self.progress = QProgressBar(textVisible=False, maximum=_STEPS)
        self.progress.setAccessibleName("Loading the model")
        self.progress.setProperty("look", "line")
        self.progress.setFixedHeight(3)
        self._lay_out()
        self.show_model("", ModelState.NONE)

    def show_title(self, title: str, *, is_page: bool = False) -> None:
        """Show the title of the chat, or of a page that can be closed."""
        self.title.set_full_text(title)
        self.close_button.setVisible(is_page)

    def show_folded(self, *, folded: bool) -> None:
        """Offer what the sidebar offers while it is hidden."""
        self.sidebar_button.setVisible(folded)
        self.new_button.setVisible(folded)

    def show_model(self, name: str, state: ModelState, fraction: float = 0.0) -> None:
        """Show the model's name, its state and, while it loads, how far it is (0 to 1)."""
        words, tone = state.value
        loading = state is ModelState.LOADING
        if loading:
            words = f"loading {in_percent(fraction)}"
        full = f"{name} · {words}" if name else words.capitalize()
        room = _MODEL_WIDTH - 24 - self.model_button.fontMetrics().horizontalAdvance(f" · {words}")
        short = self.model_button.fontMetrics().elidedText(name, Qt.TextElideMode.ElideRight, room)
        self.model_button.setText(f"{short} · {words}" if name else full)
        self.model_button.setToolTip(full)
        self.model_button.setAccessibleName(f"Model: {full}")
        self.dot.set_tone(tone)
        self.cancel_button.setVisible(loading)
        self.progress.setValue(round(fraction * _STEPS) if loading else 0)

    def _lay_out(self) -> None:
        bar = QFrame()
        bar.setObjectName("header")
        bar.setFixedHeight(52)
        row = QHBoxLayout(bar)
        row.setContentsMargins(12, 0, 12, 0)
        row.setSpacing(4)
        row.addWidget(self.sidebar_button)
        row.addWidget(self.new_button)
        row.addSpacing(8)
        row.addWidget(self.title, 1)
        row.addSpacing(12)
        row.addWidget(self.cancel_button)
        row.addWidget(self.dot)
        row.addWidget(self.model_button)
        row.addWidget(self.menu_button)
        row.addWidget(self.close_button)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(bar)
        column.addWidget(self.progress)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
