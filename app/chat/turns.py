"""Starting, stopping and following turns."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from app.chat.desk import EngineDesk
from app.chat.model_slot import ModelSlot
from app.chat.prompting import PicturePath, build_prompt
from app.chat.turn import Turn
from app.core.errors import AppError, ConversationMissing, EngineError, ModelNotLoaded
from app.core.events import ContextMeasured, ConversationOpened, Publish, VersionsChanged
from app.core.messages import Message, MessageState, Part, Picture, ReasoningEffort, Role, Text
from app.core.titles import title_from
from app.engine.protocol import (
    SAMPLING,
    Died,
    EngineEvent,
    Generated,
    GenerateRequest,
    Measured,
    MeasureRequest,
    RequestFailed,
)
from app.storage.conversations import ConversationStore

_BUSY = "An answer is still being written. Wait for it, or stop it first."


@dataclass(frozen=True, slots=True)
class Draft:
    """Hold what a person is about to send."""

    text: str
    pictures: tuple[Picture, ...] = ()

    @property
    def parts(self) -> tuple[Part, ...]:
        """Return the parts of the message: pictures first, as the model's makers prescribe."""
        return (*self.pictures, *((Text(self.text),) if self.text else ()))


class TurnDesk:
    """Run one turn at a time; on the worker thread only."""

    def __init__(
        self,
        store: ConversationStore,
        desk: EngineDesk,
        slot: ModelSlot,
        publish: Publish,
        picture_path: PicturePath,
        system_prompt: Callable[[], str],
    ) -> None:
        self._store = store
        self._desk = desk
        self._slot = slot
        self._publish = publish
        self._picture_path = picture_path
        self._system_prompt = system_prompt
        self._turn: Turn | None = None

    def send(self, conversation_id: str | None, draft: Draft, effort: ReasoningEffort) -> None:
        """Save the question and ask the model. Raises AppError when it can't even be saved."""
        self._check_free()
        if conversation_id is None:
            conversation_id = self._store.create_conversation(title_from(draft.parts)).id
        branch = self._store.load(conversation_id).messages
        self._ask(branch, conversation_id, draft.parts, effort)

    def regenerate(self, answer_id: str, effort: ReasoningEffort) -> None:
        """Answer the question before `answer_id` once more, in a new branch."""
        self._check_free()
        question = self._store.message(self._parent(answer_id))
        before = self._branch_to(question)
        self._answer(before, question, effort)

    def edit(self, question_id: str, text: str, effort: ReasoningEffort) -> None:
        """Ask `question_id` in other words, with the same pictures, in a new branch."""
        self._check_free()
        question = self._store.message(question_id)
        before = self._branch_to(question)
        self._ask(before, question.conversation_id, Draft(text, question.pictures).parts, effort)

    def show_version(self, message_id: str) -> None:
        """Show the newest branch through a message; not while an answer is being written in its conversation."""
        conversation_id = self._store.message(message_id).conversation_id
        if self._turn is not None and self._turn.conversation_id == conversation_id:
            raise EngineError(_BUSY)
        self._store.show_version(message_id)
        self._publish(ConversationOpened(self._store.load(conversation_id)))

    def stop(self) -> None:
        """Stop the turn under way; what has arrived is kept."""
        turn = self._turn
        if turn is not None and not self._desk.cancel(turn.id):
            self._turn = None
            turn.withdraw()

    def stop_in(self, conversation_id: str) -> None:
        """Stop the turn under way if it belongs to `conversation_id`."""
        if self._turn is not None and self._turn.conversation_id == conversation_id:
            self.stop()

    def abandon(self) -> None:
        """End the turn under way at once, because the program ends."""
        turn, self._turn = self._turn, None
        if turn is not None:
            self._desk.cancel(turn.id)
            turn.withdraw()

    def save_growth(self) -> None:
        """Write what has arrived of the answer under way."""
        if self._turn is not None:
            self._turn.save_growth()

    def measure(self, conversation_id: str | None, draft: Draft, effort: ReasoningEffort) -> None:
        """Publish how many tokens the conversation would take with `draft`; not while the engine is busy."""
        if not (self._slot.is_ready and self._desk.is_idle):
            return
        branch = self._store.load(conversation_id).messages if conversation_id else ()
        messages = build_prompt(branch, self._system_prompt(), self._picture_path)
        if draft.parts:
            question = _message(conversation_id or "", None, Role.USER, draft.parts, effort)
            messages = build_prompt((*branch, question), self._system_prompt(), self._picture_path)
        request = MeasureRequest(uuid.uuid4().hex, messages, effort)
        self._desk.submit(request, lambda event: self._measured(conversation_id or "", event))

    def _check_free(self) -> None:
        if self._turn is not None:
            raise EngineError(_BUSY)

    def _parent(self, message_id: str) -> str:
        parent = self._store.message(message_id).parent_id
        if parent is None:
            raise ConversationMissing("This answer has no question any more, so it can’t be written again.")
        return parent

    def _branch_to(self, question: Message) -> tuple[Message, ...]:
        """Show the messages before `question` and return them; what is stored changes with the next message."""
        conversation = self._store.load_until(question.conversation_id, question.parent_id)
        self._publish(ConversationOpened(conversation))
        return conversation.messages

    def _ask(
        self,
        before: tuple[Message, ...],
        conversation_id: str,
        parts: tuple[Part, ...],
        effort: ReasoningEffort,
    ) -> None:
        parent_id = before[-1].id if before else None
        question = _message(conversation_id, parent_id, Role.USER, parts, effort)
        self._store.add_message(question)
        self._answer(before, question, effort)

    def _answer(self, before: tuple[Message, ...], question: Message, effort: ReasoningEffort) -> None:
        answer = replace(
            _message(question.conversation_id, question.id, Role.ASSISTANT, (), effort),
            state=MessageState.GROWING,
            model_name=self._slot.name,
        )
        self._store.add_message(answer)
        turn = self._turn = Turn(question, answer, self._store, self._publish)
        try:
            versions = self._store.load(question.conversation_id).versions
            self._publish(VersionsChanged(question.conversation_id, versions))
            self._slot.wake()
            prompt = build_prompt((*before, question), self._system_prompt(), self._picture_path)
        except AppError as error:
            self._turn = None
            turn.fail(error)
            return
        request = GenerateRequest(turn.id, prompt, effort, SAMPLING[effort])
        self._desk.submit(request, lambda event: self._receive(turn, event))

    def _receive(self, turn: Turn, event: EngineEvent) -> None:
        if isinstance(event, RequestFailed) and isinstance(event.error, ModelNotLoaded):
            # The load this turn waited for failed or was cancelled: its reason says more.
            event = replace(event, error=ModelNotLoaded(self._slot.failure or str(event.error)))
        if isinstance(event, Generated | RequestFailed | Died):
            self._turn = None
        turn.receive(event)
        if isinstance(event, Generated):
            used = event.stats.prompt_tokens + event.stats.generated_tokens
            self._publish(ContextMeasured(turn.conversation_id, used, self._slot.context_tokens))

    def _measured(self, conversation_id: str, event: EngineEvent) -> None:
        if isinstance(event, Measured):
            self._publish(ContextMeasured(conversation_id, event.tokens, self._slot.context_tokens))
        elif isinstance(event, RequestFailed | Died):
            return  # a meter without a reading; the next turn meets the same problem and says it


def _message(
    conversation_id: str,
    parent_id: str | None,
    role: Role,
    parts: tuple[Part, ...],
    effort: ReasoningEffort,
) -> Message:
    now = datetime.now(UTC)
    return Message(uuid.uuid4().hex, conversation_id, parent_id, role, parts, now, effort=effort)
