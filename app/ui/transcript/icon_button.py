"""Small buttons with a line icon, quiet until the pointer or the keyboard comes near."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt, QTimer
from PySide6.QtGui import QPaintEvent
from PySide6.QtWidgets import QToolButton

from app.ui.icons import draw_icon
from app.ui.transcript.stage import Stage

_ICON_SIZE = 16
_DONE_MS = 1_500


class IconButton(QToolButton):
    """Show an icon with a tooltip; can confirm with a tick that it has done its work."""

    def __init__(self, stage: Stage, icon_name: str, label: str) -> None:
        super().__init__()
        self._stage = stage
        self._icon_name = icon_name
        self.hushed = False
        self.setToolTip(label)
        self.setAccessibleName(label)
        self.setAutoRaise(True)
        self.setCursor(Qt.CursorShape.ArrowCursor)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setIconSize(QSize(_ICON_SIZE, _ICON_SIZE))
        self._calm = QTimer(self)
        self._calm.setSingleShot(True)
        self._calm.setInterval(_DONE_MS)
        self._calm.timeout.connect(self.restyle)
        self.restyle()

    def restyle(self) -> None:
        """Take over the stage's present look."""
        self.setIcon(draw_icon(self._icon_name, self._stage.look.colors.text_secondary, size=_ICON_SIZE))

    def confirm(self) -> None:
        """Show a tick for a moment."""
        self.setIcon(draw_icon("check", self._stage.look.colors.success, size=_ICON_SIZE))
        self._calm.start()

    def hush(self, quiet: bool) -> None:
        """Paint nothing while `quiet`; the button stays where it is and can take the focus."""
        if quiet != self.hushed:
            self.hushed = quiet
            self.update()

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802 - Qt's name
        """Paint the button unless it is hushed."""
        if not self.hushed or self.hasFocus():
            super().paintEvent(event)
