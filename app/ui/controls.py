"""The small controls everything is built from."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QResizeEvent
from PySide6.QtWidgets import (
    QButtonGroup,
    QFrame,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QToolButton,
    QWidget,
)

from app.ui.appearance import Appearance
from app.ui.icons import draw_icon
from app.ui.style import disabled

ICON_SIZE = 18
_ICON_GAP = "\u2002"  # Qt has no measure for the room between a button's icon and its text


class IconButton(QToolButton):
    """Show a line icon in a colour of the palette; `tone` names the field of Colors."""

    def __init__(self, appearance: Appearance, icon_name: str, label: str, tone: str = "text_secondary") -> None:
        super().__init__()
        self._appearance = appearance
        self._icon_name = icon_name
        self._tone = tone
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setIconSize(QSize(ICON_SIZE, ICON_SIZE))
        self.relabel(label)
        self._paint_icon()
        appearance.changed.connect(self._paint_icon)

    def relabel(self, label: str) -> None:
        """Use `label` as accessible name and tooltip."""
        self.setAccessibleName(label)
        self.setToolTip(label)

    def show_icon(self, icon_name: str, label: str) -> None:
        """Become another button: `icon_name` with `label`."""
        self._icon_name = icon_name
        self.relabel(label)
        self._paint_icon()

    def _paint_icon(self) -> None:
        colors = self._appearance.colors
        self.setIcon(draw_icon(self._icon_name, getattr(colors, self._tone), disabled(colors), ICON_SIZE))


class IconPushButton(QPushButton):
    """Show a text button with a line icon in front."""

    def __init__(
        self, appearance: Appearance, icon_name: str, text: str, look: str = "", tone: str = "text_secondary"
    ) -> None:
        super().__init__(f"{_ICON_GAP}{text}")
        self._appearance = appearance
        self._icon_name = icon_name
        self._tone = tone
        self.setProperty("look", look)
        self.setIconSize(QSize(ICON_SIZE, ICON_SIZE))
        self.setAccessibleName(text)
        self._paint_icon()
        appearance.changed.connect(self._paint_icon)

    def _paint_icon(self) -> None:
        colors = self._appearance.colors
        self.setIcon(draw_icon(self._icon_name, getattr(colors, self._tone), disabled(colors), ICON_SIZE))


class Segmented(QFrame):
    """Let the person choose one of a few named values."""

    chosen = Signal(int)

    def __init__(self, label: str, names: Sequence[str]) -> None:
        super().__init__()
        self.setObjectName("segmented")
        self.setAccessibleName(label)
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        row = QHBoxLayout(self)
        row.setContentsMargins(2, 2, 2, 2)
        row.setSpacing(2)
        self._group = QButtonGroup(self)
        for number, name in enumerate(names):
            button = QPushButton(name)
            button.setCheckable(True)
            button.setAccessibleName(f"{label}: {name}")
            button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
            self._group.addButton(button, number)
            row.addWidget(button)
        self._group.button(0).setChecked(True)
        self._group.idToggled.connect(self._tell)

    @property
    def value(self) -> int:
        """Return the number of the chosen segment."""
        return self._group.checkedId()

    def choose(self, number: int) -> None:
        """Choose segment `number`."""
        self._group.button(number).setChecked(True)

    def segment(self, number: int) -> QPushButton:
        """Return the button of segment `number`."""
        button = self._group.button(number)
        assert isinstance(button, QPushButton)
        return button

    def _tell(self, number: int, checked: bool) -> None:
        if checked:
            self.chosen.emit(number)


class ElidedLabel(QLabel):
    """Show one line that ends in an ellipsis where there is too little room."""

    def __init__(self, text: str = "", look: str = "") -> None:
        super().__init__()
        self._full = ""
        self.setProperty("look", look)
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.set_full_text(text)

    @property
    def full_text(self) -> str:
        """Return the text without any ellipsis."""
        return self._full

    def set_full_text(self, text: str) -> None:
        """Show `text`."""
        self._full = " ".join(text.split())
        self.setAccessibleName(self._full)
        self._elide()

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802 - Qt's name
        """Shorten again."""
        super().resizeEvent(event)
        self._elide()

    def _elide(self) -> None:
        shown = self.fontMetrics().elidedText(self._full, Qt.TextElideMode.ElideRight, max(0, self.width()))
        super().setText(shown)
        self.setToolTip(self._full if shown != self._full else "")


class StateDot(QWidget):
    """Show a small filled circle in a colour of the palette."""

    def __init__(self, appearance: Appearance, tone: str) -> None:
        super().__init__()
        self._appearance = appearance
        self._tone = tone
        self.setFixedSize(8, 8)
        appearance.changed.connect(self.update)

    @property
    def tone(self) -> str:
        """Return the name of the colour."""
        return self._tone

    def set_tone(self, tone: str) -> None:
        """Use the colour named `tone`."""
        self._tone = tone
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802, ARG002 - Qt's signature
        """Paint the circle."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(getattr(self._appearance.colors, self._tone)))
        painter.drawEllipse(self.rect())


def make_label(text: str = "", look: str = "", *, wraps: bool = False) -> QLabel:
    """Return a label of plain text; `look` is one of the style sheet's."""
    label = QLabel(text)
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setProperty("look", look)
    label.setWordWrap(wraps)
    return label


def make_button(text: str, look: str = "") -> QPushButton:
    """Return a text button; `look` is one of the style sheet's."""
    button = QPushButton(text)
    button.setProperty("look", look)
    button.setAccessibleName(text)
    return button


def set_look(widget: QWidget, **properties: object) -> None:
    """Change properties the style sheet looks at, and make it look again."""
    for name, value in properties.items():
        widget.setProperty(name, value)
    widget.style().unpolish(widget)
    widget.style().polish(widget)
    widget.update()
