"""Starting, stopping and following turns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from app.chat.desk import EngineDesk
from app.chat.drafts import Draft, new_message
from app.chat.fitter import Build, Fitted, Fitter, Outcome, Refuse, explain_length
from app.chat.fitting import TooLong, first_to_try
from app.chat.model_slot import ModelSlot
from app.chat.turn import Turn
from app.core.errors import AppError, ConversationMissing, EngineError, ModelNotLoaded, NotEnoughMemory
from app.core.events import ContextMeasured, ConversationOpened, Publish, TurnsLeftOut, VersionsChanged
from app.core.messages import Message, MessageState, Part, ReasoningEffort, Role, newest_view
from app.core.sampling import with_choices
from app.core.settings import Settings
from app.core.titles import title_from
from app.engine.protocol import Died, EngineEvent, Generated, GenerateRequest, RequestFailed
from app.storage.conversations import ConversationStore

_BUSY = "An answer is still being written. Wait for it, or stop it first."


class TurnDesk:
    """Run one turn at a time; on the worker thread only."""

    def __init__(
        self,
        store: ConversationStore,
        desk: EngineDesk,
        slot: ModelSlot,
        publish: Publish,
        build: Build,
        settings: Callable[[], Settings],
    ) -> None:
        self._store = store
        self._desk = desk
        self._slot = slot
        self._publish = publish
        self._build = build
        self._settings = settings
        self._turn: Turn | None = None
        self._fitter = Fitter(desk, slot, build, lambda: settings().system_prompt)

    def send(self, conversation_id: str | None, draft: Draft, effort: ReasoningEffort, refuse: Refuse) -> None:
        """Save the question and ask the model. Raises AppError when it can't even be saved.

        `refuse` gets the sentence if that turns out later, or if the question alone is too long for the model.
        """
        self._check_free()

        def save_and_ask() -> None:
            chat = conversation_id or self._store.create_conversation(title_from(draft.parts)).id
            self._ask(self._store.load(chat).messages, chat, draft.parts, effort)

        self._fitter.check_length(draft.parts, effort, save_and_ask, refuse)

    def regenerate(self, answer_id: str, effort: ReasoningEffort) -> None:
        """Answer the question before `answer_id` once more, in a new branch."""
        self._check_free()
        question = self._store.message(self._parent(answer_id))
        before = self._branch_to(question)
        self._answer(before, question, effort)

    def edit(self, question_id: str, text: str, effort: ReasoningEffort, refuse: Refuse) -> None:
        """Ask `question_id` in other words, with the same pictures, in a new branch; `refuse` is as in `send`."""
        self._check_free()
        question = self._store.message(question_id)
        parts = Draft(text, question.pictures).parts

        def save_and_ask() -> None:
            self._ask(self._branch_to(question), question.conversation_id, parts, effort)

        self._fitter.check_length(parts, effort, save_and_ask, refuse)

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
            self._fitter.withdraw()
            turn.withdraw()

    def answer_now(self) -> None:
        """Let the model end its reasoning and answer."""
        if self._turn is not None:
            self._desk.answer_now(self._turn.id)

    def stop_in(self, conversation_id: str) -> None:
        """Stop the turn under way if it belongs to `conversation_id`."""
        if self._turn is not None and self._turn.conversation_id == conversation_id:
            self.stop()

    def abandon(self) -> None:
        """End the turn under way at once, because the program ends."""
        turn, self._turn = self._turn, None
        self._fitter.withdraw()
        if turn is not None:
            self._desk.cancel(turn.id)
            turn.withdraw()

    def save_growth(self) -> None:
        """Write what has arrived of the answer under way."""
        if self._turn is not None:
            self._turn.save_growth()

    def _check_free(self) -> None:
        if self._turn is not None or self._fitter.is_busy:
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
        question = new_message(conversation_id, parent_id, Role.USER, parts, effort)
        self._store.add_message(question)
        self._answer(before, question, effort)

    def _answer(self, before: tuple[Message, ...], question: Message, effort: ReasoningEffort) -> None:
        answer = replace(
            new_message(question.conversation_id, question.id, Role.ASSISTANT, (), effort),
            state=MessageState.GROWING,
            model_name=self._slot.name,
        )
        self._store.add_message(answer)
        turn = self._turn = Turn(question, answer, self._store, self._publish)
        try:
            versions = self._store.load(question.conversation_id).versions
            self._publish(VersionsChanged(question.conversation_id, versions))
            self._slot.wake()
            self._choose(turn, (*before, question), effort)
        except AppError as error:
            self._turn = None
            turn.fail(error)

    def _choose(self, turn: Turn, branch: tuple[Message, ...], effort: ReasoningEffort) -> None:
        """Find out which part of the branch the model can see, then ask it."""
        if self._slot.is_ready and self._fitter.surely_fits(branch, effort):
            self._generate(turn, branch, first_to_try(branch, self._slot.context_tokens), effort)
            return

        def settle(outcome: Outcome) -> None:
            match outcome:
                case Fitted():
                    self._generate(turn, branch, outcome.start, effort)
                case TooLong(tokens):
                    self._turn = None
                    turn.fail(explain_length(tokens, self._slot.context_tokens, effort))
                case _:
                    self._receive(turn, outcome)

        self._fitter.fit(branch, effort, settle)

    def _generate(self, turn: Turn, branch: tuple[Message, ...], start: int, effort: ReasoningEffort) -> None:
        self._tell_what_is_seen(turn, branch, start)
        settings = self._settings()
        sampling = with_choices(self._slot.sampling(effort), settings.sampling_choices(effort))
        request = GenerateRequest(
            turn.id,
            self._build(branch[start:]),
            effort,
            sampling,
            chat_id=turn.conversation_id,
            think_budget=settings.think_budget,
        )
        self._desk.submit(request, lambda event: self._receive(turn, event))

    def _tell_what_is_seen(self, turn: Turn, branch: tuple[Message, ...], start: int) -> None:
        turn.note_view(start, self._slot.context_tokens)
        cut = newest_view(branch)
        before = cut.left_out_messages if cut is not None else 0
        if start or before:
            self._publish(TurnsLeftOut(turn.id, branch[start].id, start, is_news=start > before))

    def _receive(self, turn: Turn, event: EngineEvent) -> None:
        if isinstance(event, RequestFailed) and isinstance(event.error, ModelNotLoaded):
            # The load this turn waited for failed or was cancelled: its reason says more.
            event = replace(event, error=ModelNotLoaded(self._slot.failure or str(event.error)))
        if isinstance(event, Generated | RequestFailed | Died):
            self._turn = None
        turn.receive(event)
        if isinstance(event, RequestFailed) and isinstance(event.error, NotEnoughMemory):
            self._slot.relieve(event.error)
        if isinstance(event, Generated):
            used = event.stats.prompt_tokens + event.stats.generated_tokens
            self._publish(ContextMeasured(turn.conversation_id, used, self._slot.context_tokens))
