"""Where a message is written: text, pictures, Fast or Think, and Send or Stop."""

from __future__ import annotations

from dataclasses import dataclass, replace

from PySide6.QtCore import QSize, Qt, QTimer, Signal
from PySide6.QtWidgets import QFrame, QHBoxLayout, QVBoxLayout

from app.core.events import PictureAttached, PictureRefused
from app.core.messages import Picture, ReasoningEffort
from app.ui.appearance import Appearance
from app.ui.context_meter import ContextMeter
from app.ui.controls import IconButton, make_label, set_look
from app.ui.drafts import NEW_CHAT, Attachment, Draft, DraftShelf
from app.ui.effort_switch import EffortSwitch, settings_in_words
from app.ui.message_input import MessageInput
from app.ui.picture_tray import PictureTray

_MEASURE_PAUSE_MS = 700


@dataclass(frozen=True, slots=True)
class Outgoing:
    """Hold a message that is to be sent."""

    text: str
    pictures: tuple[Picture, ...]
    effort: ReasoningEffort


class Composer(QFrame):
    """Take the next message of the chat that is shown."""

    send_wanted = Signal(object)
    stop_wanted = Signal()
    pick_wanted = Signal()
    effort_changed = Signal(object)
    draft_changed = Signal()  # when the person has paused

    def __init__(self, appearance: Appearance) -> None:
        super().__init__()
        self.setObjectName("composer")
        self._shelf = DraftShelf()
        self._key = NEW_CHAT
        self._sending: Outgoing | None = None
        self._sent_from = NEW_CHAT
        self._busy_words = ""
        self._sees_pictures = True
        self.tray = PictureTray(appearance)
        self.input = MessageInput()
        self.switch = EffortSwitch()
        self.picture_button = IconButton(appearance, "image-plus", "Add a picture")
        self.proof = make_label("", "small")
        self.meter = ContextMeter(appearance)
        self.hint = make_label("", "small", wraps=True)
        self.button = IconButton(appearance, "arrow-up", "Send", "on_accent")
        self._pause = QTimer(self, singleShot=True, interval=_MEASURE_PAUSE_MS)
        self._lay_out()
        self._connect()
        self.show_rendered("")
        self._refresh()

    @property
    def effort(self) -> ReasoningEffort:
        """Return what the switch says."""
        return self.switch.effort

    @property
    def draft(self) -> Draft:
        """Return what is written for the chat that is shown."""
        return replace(self._shelf.take(self._key), text=self.input.toPlainText())

    def show_rendered(self, settings: str) -> None:
        """Show beside the switch what the settings block of the last prompt really said; nothing hides it."""
        self.proof.setText(settings_in_words(settings))
        self.proof.setToolTip(f"Settings in the last prompt:\n{settings}")
        self.proof.setVisible(bool(settings))

    def set_sees_pictures(self, *, sees: bool, longest_side_pixels: int = 0) -> None:
        """Say whether the model in use takes pictures, and how large (0: not known)."""
        self._sees_pictures = sees
        self.tray.set_longest_side(longest_side_pixels)
        self._refresh()

    def set_busy(self, words: str) -> None:
        """Offer Stop instead of Send; `words` say what runs, nothing means idle."""
        self._busy_words = words
        self._refresh()

    # --- drafts ---

    def show_draft(self, key: str) -> None:
        """Put what is written aside and show the draft of chat `key`."""
        self._shelf.put(self._key, self.draft)
        self._key = key
        self.show_rendered("")
        self.meter.show_tokens(0, 0)  # the other chat's; this one's is measured when the engine is free
        self.input.setPlainText(self._shelf.take(key).text)
        self.input.moveCursor(self.input.textCursor().MoveOperation.End)
        self._refresh()

    def adopt(self, key: str) -> None:
        """Take note that the new chat that is shown has got its id."""
        self._shelf.put(self._key, self.draft)
        self._shelf.move(self._key, key)
        self._key = key

    def attach(self, request_id: str, name: str) -> None:
        """Show that a picture is being read."""
        draft = self.draft
        item = Attachment(request_id, name)
        self._shelf.put(self._key, replace(draft, attachments=(*draft.attachments, item)))
        self._refresh()

    def settle(self, event: PictureAttached | PictureRefused) -> None:
        """Show a picture that was read, or why it can't be used."""
        self._shelf.put(self._key, self.draft)
        self._shelf.settle(event)
        self._refresh()
        self._pause.start()

    def remove(self, request_id: str) -> None:
        """Take a picture out of the message."""
        draft = self.draft
        kept = tuple(item for item in draft.attachments if item.request_id != request_id)
        self._shelf.put(self._key, replace(draft, attachments=kept))
        self._refresh()
        self._pause.start()

    # --- sending ---

    def submit(self) -> None:
        """Send what is written, if it can be sent now; otherwise say why not."""
        draft = self.draft
        if self._busy_words or self._sending or not draft.can_be_sent:
            self._refresh(pressed=True)
            return
        self._sending = Outgoing(draft.text.strip(), draft.pictures, self.effort)
        self._sent_from = self._key
        self._refresh()
        self.send_wanted.emit(self._sending)

    def confirm_sent(self, text: str) -> bool:
        """Clear the message once it is on disk; say whether `text` was the message on its way."""
        sent = self._sending
        if sent is None or sent.text != text:
            return False
        self._sending = None
        self._shelf.put(self._key, self.draft)
        draft = self._shelf.take(self._sent_from)
        kept = tuple(item for item in draft.attachments if item.picture not in sent.pictures and not item.sentence)
        is_same = draft.text.strip() == sent.text
        self._shelf.put(self._sent_from, Draft("" if is_same else draft.text, kept))
        if is_same and self._sent_from == self._key:
            self.input.clear()
        self._refresh()
        return True

    def keep_unsent(self) -> None:
        """Take note that the message was refused; it stays where it is."""
        self._sending = None
        self._refresh()

    # --- inside ---

    def _lay_out(self) -> None:
        self.button.setProperty("look", "send")
        self.button.setFixedSize(QSize(34, 34))
        self.meter.setSizePolicy(self.hint.sizePolicy())
        column = QVBoxLayout(self)
        column.setContentsMargins(12, 10, 8, 8)
        column.setSpacing(4)
        column.addWidget(self.tray)
        column.addWidget(self.input)
        column.addWidget(self.hint)
        row = QHBoxLayout()
        row.setSpacing(8)
        row.addWidget(self.switch)
        row.addWidget(self.picture_button)
        row.addSpacing(4)
        row.addWidget(self.proof)
        row.addStretch(1)
        row.addWidget(self.meter)
        row.addSpacing(4)
        row.addWidget(self.button)
        column.addLayout(row)

    def _connect(self) -> None:
        self.input.submitted.connect(self.submit)
        self.input.textChanged.connect(self._edited)
        self.input.focus_changed.connect(lambda has_focus: set_look(self, active=has_focus))
        self.switch.chosen.connect(lambda _: self.effort_changed.emit(self.effort))
        self.picture_button.clicked.connect(self.pick_wanted)
        self.button.clicked.connect(self._press)
        self.tray.remove_wanted.connect(self.remove)
        self._pause.timeout.connect(self.draft_changed)
        self.setFocusProxy(self.input)
        self.button.setFocusPolicy(Qt.FocusPolicy.TabFocus)

    def _edited(self) -> None:
        self._refresh()
        self._pause.start()

    def _press(self) -> None:
        if self._busy_words:
            self.stop_wanted.emit()
        else:
            self.submit()

    def _refresh(self, *, pressed: bool = False) -> None:
        draft = self.draft
        self.tray.show_attachments(draft.attachments)
        if self._busy_words:
            self.button.show_icon("stop", "Stop (Esc)")
        else:
            self.button.show_icon("arrow-up", "Send (Enter)")
        self.button.setEnabled(bool(self._busy_words) or (draft.can_be_sent and not self._sending))
        hint = _hint_for(draft, self._busy_words, pressed=pressed)
        if not hint and draft.pictures and not self._sees_pictures:
            hint = "The model in use can’t see pictures."
        self.hint.setText(hint)
        self.hint.setVisible(bool(hint))


def _hint_for(draft: Draft, busy_words: str, *, pressed: bool) -> str:
    """Return why `draft` was not sent when Send was pressed, or nothing."""
    if pressed and busy_words:
        return f"{busy_words} Your message waits here."
    return "A picture is still being read." if pressed and draft.is_reading else ""
