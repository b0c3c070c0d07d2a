"""Scroll the column: stay at the end while an answer grows, stay put when a person reads."""

from __future__ import annotations

from PySide6.QtCore import Qt, QTimer
from PySide6.QtGui import QColor, QKeyEvent, QPainter, QPaintEvent, QPen, QResizeEvent
from PySide6.QtWidgets import QAbstractButton, QFrame, QScrollArea

from app.ui.icons import draw_pixmap
from app.ui.transcript.column import Column
from app.ui.transcript.stage import Stage

_NEAR_END = 3
_BUTTON_FROM = 80
_AHEAD = 600  # pixels above and below the window that are made at once
_IDLE_SCREENS = 3
_BUTTON = 36


class JumpButton(QAbstractButton):
    """Lead back to the end of the conversation."""

    def __init__(self, stage: Stage) -> None:
        super().__init__()
        self._stage = stage
        self.setFixedSize(_BUTTON, _BUTTON)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setToolTip("Jump to latest")
        self.setAccessibleName("Jump to latest")
        self.setCursor(Qt.CursorShape.PointingHandCursor)

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802, ARG002 - Qt's signature
        """Paint a round button with an arrow."""
        colors = self._stage.look.colors
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(QColor(colors.accent), 2) if self.hasFocus() else QPen(QColor(colors.border), 1))
        painter.setBrush(QColor(colors.raised))
        painter.drawEllipse(self.rect().adjusted(2, 2, -2, -2))
        icon = draw_pixmap("arrow-down", colors.text, 18, self.devicePixelRatioF())
        painter.drawPixmap((_BUTTON - 18) // 2, (_BUTTON - 18) // 2, icon)


class Scroller(QScrollArea):
    """Hold the column in view."""

    def __init__(self, column: Column, stage: Stage) -> None:
        super().__init__()
        self._column = column
        self._sticks = True
        self._settling = False
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.viewport().setAutoFillBackground(False)
        self.setWidget(column)
        column.setAutoFillBackground(False)
        self.jump_button = JumpButton(stage)
        self.jump_button.setParent(self)
        self.jump_button.hide()
        self.jump_button.clicked.connect(self._jump)
        self._idle = QTimer(self)
        self._idle.setSingleShot(True)
        self._idle.timeout.connect(self._make_more)
        column.height_changed.connect(self._follow_height)
        self.verticalScrollBar().rangeChanged.connect(self._follow_range)
        self.verticalScrollBar().valueChanged.connect(self._follow_value)

    def jump_to_end(self) -> None:
        """Show the end and stay there."""
        self._sticks = True
        self.settle()

    def show_at(self, index: int, bottom: int) -> None:
        """Let a message end `bottom` pixels below the top of the window, as far as the column's ends allow."""
        self._sticks = False
        for _ in range(2):  # what comes into view is measured first, and that moves it
            self.settle()
            self.verticalScrollBar().setValue(self._column.bottom_of(index) - bottom)

    def hold(self) -> None:
        """Stay where the window is although the content is about to change its height."""
        self._sticks = False
        QTimer.singleShot(0, self, self._look_where_we_are)

    def _jump(self) -> None:
        self.setFocus()  # else Qt moves the focus of the vanishing button, and the window with it
        self.jump_to_end()

    def restyle(self) -> None:
        """Take over the stage's present look."""
        self.jump_button.update()
        self.settle()

    def settle(self) -> None:
        """Make what is in view, and keep what was there in its place."""
        if self._settling or self.viewport().width() <= 0:
            return
        self._settling = True
        bar = self.verticalScrollBar()
        width, height = self.viewport().width(), self.viewport().height()
        if self._column.width() != width:
            self._column.resize(width, self._column.height())
        while True:
            top = self._column.content_height() - height if self._sticks else bar.value()
            shift = self._column.make_between(top - _AHEAD, top + height + _AHEAD, top)
            self._column.resize(width, max(height, self._column.content_height()))
            bar.setValue(bar.maximum() if self._sticks else bar.value() + shift)
            top = bar.value()
            if not self._column.lacks_between(top - _AHEAD, top + height + _AHEAD):
                break
        self._settling = False
        self._place_button()
        self._idle.start(0)

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802 - Qt's name
        """Fit the column into the new width."""
        super().resizeEvent(event)
        self.settle()

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802 - Qt's name
        """Go to the beginning or the end; Qt knows the other keys."""
        if event.key() == Qt.Key.Key_Home:
            self.verticalScrollBar().setValue(0)
        elif event.key() == Qt.Key.Key_End:
            self.jump_to_end()
        else:
            super().keyPressEvent(event)

    def _follow_height(self) -> None:
        if not self._settling:
            height = max(self.viewport().height(), self._column.content_height())
            self._column.resize(self._column.width(), height)
            self._place_button()

    def _follow_range(self, _low: int, high: int) -> None:
        if self._sticks:
            self.verticalScrollBar().setValue(high)

    def _follow_value(self, _value: int) -> None:
        if not self._settling:
            self._look_where_we_are()
            self.settle()

    def _look_where_we_are(self) -> None:
        bar = self.verticalScrollBar()
        self._sticks = bar.value() >= bar.maximum() - _NEAR_END
        self._place_button()

    def _make_more(self) -> None:
        """Make one message beyond the window while nothing else is to be done."""
        bar = self.verticalScrollBar()
        eye, height = bar.value(), self.viewport().height()
        for top, bottom in ((eye, eye + (_IDLE_SCREENS + 1) * height), (eye - _IDLE_SCREENS * height, eye)):
            if self._column.lacks_between(top, bottom):
                self._settling = True
                shift = self._column.make_between(top, bottom, eye, most=1)
                self._column.resize(self._column.width(), max(height, self._column.content_height()))
                bar.setValue(bar.maximum() if self._sticks else eye + shift)
                self._settling = False
                self._idle.start(0)
                return

    def _place_button(self) -> None:
        bar = self.verticalScrollBar()
        self.jump_button.setVisible(bar.maximum() - bar.value() > _BUTTON_FROM)
        x = (self.viewport().width() - _BUTTON) // 2
        self.jump_button.move(x, self.height() - _BUTTON - 12)
        self.jump_button.raise_()
