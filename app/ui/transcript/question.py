"""A message of the person: a soft card with its pictures and text, and an editor in its place."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QRectF, Qt, Signal
from PySide6.QtGui import QColor, QEnterEvent, QGuiApplication, QKeyEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import QHBoxLayout, QLabel, QPlainTextEdit, QPushButton, QVBoxLayout, QWidget

from app.core.messages import Message
from app.ui.markdown.clean import to_html
from app.ui.theme import RADIUS_CARD
from app.ui.transcript.footer import Footer
from app.ui.transcript.pictures import PictureRow
from app.ui.transcript.stack import Stack, height_of
from app.ui.transcript.stage import Stage
from app.ui.transcript.text_pane import TextPane
from app.ui.transcript.wording import spoken_name

_PADDING = 16
_LONG_LINES = 24
_LONG_CHARACTERS = 2_400
_EDITOR_HEIGHTS = (72, 320)


class QuestionEditor(QWidget):
    """Let a person change what they wrote; Ctrl+Return saves, Esc cancels."""

    saved = Signal(str)
    cancelled = Signal()
    height_changed = Signal()

    def __init__(self, text: str, *, may_be_empty: bool) -> None:
        super().__init__()
        self._may_be_empty = may_be_empty
        self.editor = QPlainTextEdit(text)
        self.editor.setAccessibleName("Edit your message")
        self.editor.setTabChangesFocus(True)
        self.editor.textChanged.connect(self._follow)
        self.editor.installEventFilter(self)
        self.save_button = QPushButton("Save && send")
        self.save_button.setProperty("look", "primary")
        self.save_button.clicked.connect(self._save)
        self.cancel_button = QPushButton("Cancel")
        self.cancel_button.clicked.connect(self.cancelled)
        buttons = QHBoxLayout()
        buttons.addStretch()
        buttons.addWidget(self.cancel_button)
        buttons.addWidget(self.save_button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.editor)
        layout.addLayout(buttons)
        self._follow()

    def eventFilter(self, watched: object, event: QEvent) -> bool:  # noqa: N802, ARG002 - Qt's signature
        """Take Ctrl+Return and Esc from the editor."""
        if isinstance(event, QKeyEvent) and event.type() == QEvent.Type.KeyPress:
            control = event.modifiers() & Qt.KeyboardModifier.ControlModifier
            if event.key() == Qt.Key.Key_Escape:
                self.cancelled.emit()
                return True
            if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and control:
                self._save()
                return True
        return False

    def _save(self) -> None:
        if self.save_button.isEnabled():
            self.saved.emit(self.editor.toPlainText().strip())

    def _follow(self) -> None:
        text = self.editor.toPlainText()
        self.save_button.setEnabled(bool(text.strip()) or self._may_be_empty)
        lines = self.editor.fontMetrics().lineSpacing() * (text.count("\n") + len(text) // 80 + 1) + 30
        height = max(_EDITOR_HEIGHTS[0], min(_EDITOR_HEIGHTS[1], lines))
        if height != self.editor.minimumHeight():
            self.editor.setFixedHeight(height)
            self.height_changed.emit()


class QuestionCard(Stack):
    """Paint the soft card around what a person wrote."""

    def __init__(self, stage: Stage) -> None:
        super().__init__()
        self._stage = stage

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802, ARG002 - Qt's signature
        """Paint the card."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(self._stage.look.colors.surface))
        painter.drawRoundedRect(QRectF(self.rect()), RADIUS_CARD, RADIUS_CARD)

    def _place(self) -> None:
        top = _PADDING - 4
        width = max(1, self._laid_out_at - 2 * _PADDING)
        for row, gap in self._rows:
            if row.isHidden():
                continue
            top += gap
            height = height_of(row, width)
            row.setGeometry(_PADDING, top, width, height)
            top += height
        self._height = top + _PADDING - 2


class QuestionView(Stack):
    """Show a message of the person."""

    edit_requested = Signal(str, str)
    folding = Signal()

    def __init__(self, stage: Stage, message: Message) -> None:
        super().__init__()
        self.message = message
        self._stage = stage
        self._editor: QuestionEditor | None = None
        self.setAccessibleName(spoken_name(message))
        self._card = QuestionCard(stage)
        self._who = QLabel("You")
        self._who.setProperty("look", "small")
        self._card.add_row(self._who)
        if message.pictures:
            self._card.add_row(PictureRow(stage, message.pictures), 8)
        self._text = TextPane(stage)
        self._card.add_row(self._text, 10 if message.pictures else 4)
        self.more_button = QPushButton("Show all")
        self.more_button.setProperty("look", "link")
        self.more_button.clicked.connect(self._unfold)
        self._more_row = _left(self.more_button)
        self._card.add_row(self._more_row, 6)
        self.footer = Footer(stage, at_right=True)
        self.copy_button = self.footer.add_button("copy", "Copy message")
        self.copy_button.clicked.connect(self._copy)
        self.edit_button = self.footer.add_button("pencil", "Edit message")
        self.edit_button.clicked.connect(self.start_editing)
        self.add_row(self._card)
        self.add_row(self.footer)
        self._show_text(whole=False)
        self.restyle()

    def panes(self) -> list[TextPane]:
        """Return the texts inside."""
        return [self._text]

    def start_editing(self) -> None:
        """Put an editor in the place of the text."""
        if self._editor is not None:
            return
        self.folding.emit()
        self._editor = QuestionEditor(self.message.text, may_be_empty=bool(self.message.pictures))
        self._editor.saved.connect(self._save)
        self._editor.cancelled.connect(self.stop_editing)
        self._text.hide()
        self._more_row.hide()
        self._card.add_row(self._editor, 4)
        self._card.lay_out()
        self._editor.editor.setFocus()
        self._editor.editor.moveCursor(self._editor.editor.textCursor().MoveOperation.End)

    def stop_editing(self) -> None:
        """Bring the text back."""
        if self._editor is None:
            return
        self.folding.emit()
        editor, self._editor = self._editor, None
        self.edit_button.setFocus()  # before the editor goes: Qt would scroll to where the focus falls
        self._card.remove_row(editor)
        self._text.setVisible(bool(self.message.text))
        self._more_row.setVisible(self._is_folded)
        self._card.lay_out()

    @property
    def editor(self) -> QuestionEditor | None:
        """Return the editor while there is one."""
        return self._editor

    def restyle(self) -> None:
        """Take over the stage's present look."""
        self._text.restyle()
        self.footer.restyle()
        self._card.update()

    def enterEvent(self, event: QEnterEvent) -> None:  # noqa: N802, ARG002 - Qt's signature
        """Show the actions."""
        self.footer.set_hovered(True)

    def leaveEvent(self, event: QEvent) -> None:  # noqa: N802, ARG002 - Qt's signature
        """Hide the actions."""
        self.footer.set_hovered(False)

    def _show_text(self, *, whole: bool) -> None:
        shown = self.message.text if whole else _beginning(self.message.text)
        self._is_folded = len(shown) < len(self.message.text)
        html = to_html(shown + ("…" if self._is_folded else "")).replace("\n", "<br>")
        self._text.set_html(f'<p style="white-space: pre-wrap">{html}</p>')
        self._text.setVisible(bool(shown))
        self._more_row.setVisible(self._is_folded)
        self._card.lay_out()

    def _unfold(self) -> None:
        self.folding.emit()
        self._show_text(whole=True)

    def _save(self, text: str) -> None:
        if text == self.message.text:
            self.stop_editing()
        else:  # the new branch takes this view's place; if it is refused, what was written must still be here
            self.edit_requested.emit(self.message.id, text)

    def _copy(self) -> None:
        QGuiApplication.clipboard().setText(self.message.text)
        self.copy_button.confirm()


def _beginning(text: str) -> str:
    """Return what a folded card shows of a long text."""
    lines = text.split("\n")
    if len(lines) <= _LONG_LINES and len(text) <= _LONG_CHARACTERS:
        return text
    return "\n".join(lines[: _LONG_LINES // 2])[: _LONG_CHARACTERS // 2].rstrip()


def _left(button: QPushButton) -> QWidget:
    holder = QWidget()
    row = QHBoxLayout(holder)
    row.setContentsMargins(0, 0, 0, 0)
    row.addWidget(button)
    row.addStretch()
    return holder
