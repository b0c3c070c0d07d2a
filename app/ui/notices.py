"""What is said where it happened: a sentence with the one button that helps, and quiet toasts."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QEvent, QObject, Qt, QTimer
from PySide6.QtGui import QAccessible, QAccessibleAnnouncementEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QSizePolicy, QVBoxLayout, QWidget

from app.ui.appearance import Appearance
from app.ui.controls import IconButton, make_button, make_label, set_look

TOAST_MS = 10_000
_LONGEST = 400


class Notice(QFrame):
    """Show one sentence with at most two buttons and a way to dismiss it."""

    def __init__(self, appearance: Appearance, dismiss: Callable[[], None]) -> None:
        super().__init__()
        self.setObjectName("banner")
        row = QHBoxLayout(self)
        row.setContentsMargins(12, 8, 8, 8)
        row.setSpacing(8)
        self._label = make_label(wraps=True)
        self._label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._label.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        row.addWidget(self._label, 1)
        self._buttons = QHBoxLayout()
        self._buttons.setSpacing(8)
        row.addLayout(self._buttons)
        close = IconButton(appearance, "x", "Dismiss")
        close.clicked.connect(dismiss)
        row.addWidget(close, 0, Qt.AlignmentFlag.AlignTop)

    @property
    def sentence(self) -> str:
        """Return what is said."""
        return self._label.text()

    def say(self, sentence: str, kind: str, actions: tuple[tuple[str, Callable[[], None]], ...]) -> None:
        """Show `sentence`; `kind` is "error" or "warning", `actions` are button texts and what they do."""
        self._label.setText(sentence if len(sentence) <= _LONGEST else sentence[:_LONGEST].rstrip() + "…")
        self._label.setToolTip(sentence if len(sentence) > _LONGEST else "")
        self.setAccessibleName(sentence)
        QAccessible.updateAccessibility(QAccessibleAnnouncementEvent(self, sentence))
        set_look(self, kind=kind)
        while (item := self._buttons.takeAt(0)) is not None:
            if (old := item.widget()) is not None:
                old.deleteLater()
        for text, act in actions:
            button = make_button(text)
            button.clicked.connect(act)
            self._buttons.addWidget(button)


class NoticeArea(QWidget):
    """Hold notices by topic, so that a new one on a topic takes the place of the old one."""

    def __init__(self, appearance: Appearance) -> None:
        super().__init__()
        self._appearance = appearance
        self._notices: dict[str, Notice] = {}
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(16, 8, 16, 0)
        self._column.setSpacing(8)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Maximum)
        self.hide()

    def say(
        self,
        topic: str,
        sentence: str,
        *actions: tuple[str, Callable[[], None]],
        kind: str = "error",
    ) -> None:
        """Show `sentence` under `topic`; a button that was pressed clears it."""
        notice = self._notices.get(topic)
        if notice is None:
            notice = self._notices[topic] = Notice(self._appearance, lambda: self.clear(topic))
            self._column.addWidget(notice)
        notice.say(sentence, kind, tuple((text, self._once(topic, act)) for text, act in actions))
        self.show()

    def clear(self, topic: str) -> None:
        """Take the notice under `topic` away, if there is one."""
        notice = self._notices.pop(topic, None)
        if notice is not None:
            notice.hide()
            notice.deleteLater()
        self.setVisible(bool(self._notices))

    def sentence(self, topic: str) -> str:
        """Return what is said under `topic`, or nothing."""
        notice = self._notices.get(topic)
        return notice.sentence if notice else ""

    def _once(self, topic: str, act: Callable[[], None]) -> Callable[[], None]:
        def run() -> None:
            self.clear(topic)
            act()

        return run


class Toast(QFrame):
    """Say something quietly for ten seconds, above what `floor` says is the lower edge (pixels)."""

    def __init__(self, parent: QWidget, floor: Callable[[], int]) -> None:
        super().__init__(parent)
        self._area = parent
        self._floor = floor
        self.setObjectName("toast")
        row = QHBoxLayout(self)
        row.setContentsMargins(14, 6, 8, 6)
        self._label = QLabel()
        self._label.setTextFormat(Qt.TextFormat.PlainText)
        row.addWidget(self._label)
        self.button = make_button("Undo")
        self.button.clicked.connect(self._act)
        row.addWidget(self.button)
        self._action: Callable[[], None] | None = None
        self._timer = QTimer(self, singleShot=True, interval=TOAST_MS)
        self._timer.timeout.connect(self.hide)
        parent.installEventFilter(self)
        self.hide()

    @property
    def text(self) -> str:
        """Return what is said."""
        return self._label.text()

    def say(self, text: str, button: str = "", action: Callable[[], None] | None = None) -> None:
        """Show `text`, with a button that does `action` where one is given."""
        room = max(120, self._area.width() - 200)
        self._label.setText(self._label.fontMetrics().elidedText(text, Qt.TextElideMode.ElideMiddle, room))
        self.setAccessibleName(text)
        QAccessible.updateAccessibility(QAccessibleAnnouncementEvent(self, text))
        self._action = action
        self.button.setText(button)
        self.button.setAccessibleName(button)
        self.button.setVisible(action is not None)
        self._place()
        self.show()
        self.raise_()
        self._timer.start()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802 - Qt's name
        """Stay in the middle."""
        if watched is self._area and event.type() == QEvent.Type.Resize and self.isVisible():
            self._place()
        return False

    def _place(self) -> None:
        self.adjustSize()
        self.move((self._area.width() - self.width()) // 2, self._floor() - self.height() - 16)

    def _act(self) -> None:
        self.hide()
        action, self._action = self._action, None
        if action is not None:
            action()
