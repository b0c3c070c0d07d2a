"""Conversations with a model that is open in this process, turn by turn, and the same from nothing to compare with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from llama_cpp import llama_cpp as llama

from app.core.messages import ReasoningEffort, Role, TurnStats
from app.engine.child.cancellation import Cancellation
from app.engine.child.generation import Turn
from app.engine.child.loading import Loader
from app.engine.child.logbook import Logbook
from app.engine.child.model import OpenModel
from app.engine.child.session import Entry
from app.engine.protocol import AnswerPiece, GenerateRequest, LoadRequest, PictureFile, PromptMessage, StateKeeping
from tests.engine.recorder import GREEDY, cpu_plan, user

FAST, THINK = ReasoningEffort.NONE, ReasoningEffort.HIGH
ANSWER_TOKENS = 6
_LOGBOOK = Logbook()
_NEVER = Cancellation()  # llama.cpp keeps the address of its flag


def open_here(
    model: Path, projector: Path | None = None, states: StateKeeping | None = None, context_tokens: int = 4096
) -> OpenModel:
    _LOGBOOK.open()
    keeping = states or StateKeeping()
    request = LoadRequest("load", model, projector, cpu_plan(context_tokens), threads=1, states=keeping)
    return Loader(request, lambda _: None, _NEVER, _LOGBOOK, ()).load()


def on_disk(folder: Path, disk_bytes: int = 1 << 30, ram_bytes: int = 1 << 30) -> StateKeeping:
    return StateKeeping(folder, disk_bytes, ram_bytes)


def written_to_disk(opened: OpenModel) -> None:
    """Let the model rest, and wait until what it has read is on disk."""
    opened.recall.rest()
    assert opened.recall._writer is not None
    assert opened.recall._writer.finish(60)


@dataclass(frozen=True)
class Told:
    """Hold one answer: its text, its tokens but the last, the prompt, and what was measured."""

    text: str
    tokens: tuple[Entry, ...]
    prompt: tuple[Entry, ...]
    stats: TurnStats

    @property
    def read_tokens(self) -> int:
        """Return how many tokens of the prompt had to be read."""
        return self.stats.prompt_tokens - self.stats.cached_tokens


class Talk:
    """Hold one conversation and ask a model in it."""

    def __init__(self, chat_id: str) -> None:
        self.chat_id = chat_id
        self.messages: list[PromptMessage] = []

    def ask(
        self,
        opened: OpenModel,
        text: str,
        *pictures: PictureFile,
        effort: ReasoningEffort = FAST,
        n: int = ANSWER_TOKENS,
    ) -> Told:
        self.messages.append(user(text, *pictures))
        told = answer(opened, self.chat_id, self.messages, effort, n)
        self.messages.append(PromptMessage(Role.ASSISTANT, told.text))
        return told

    def go_back(self, n_messages: int) -> None:
        """Drop what follows the first `n_messages`, as an edit does."""
        del self.messages[n_messages:]


def answer(
    opened: OpenModel, chat_id: str, messages: Sequence[PromptMessage], effort: ReasoningEffort, n: int = ANSWER_TOKENS
) -> Told:
    events: list[Any] = []
    request = GenerateRequest("turn", tuple(messages), effort, GREEDY, max_tokens=n, chat_id=chat_id)
    with opened.recall.turn(chat_id, effort):
        prompt = opened.prompter.build(request.messages, effort)
        Turn(opened, request, events.append, _NEVER).run()
    said = "".join(event.text for event in events if isinstance(event, AnswerPiece))
    tokens = opened.session.entries[len(prompt.entries) :]
    return Told(said, tokens, prompt.entries, events[-1].stats)


def one_by_one(entries: Sequence[Entry]) -> list[Sequence[Entry]]:
    """Take the place of `pieces_of` where answers must be the same to the last bit."""
    return [[entry] for entry in entries]


def greedy_from_nothing(opened: OpenModel, prompt: Sequence[Entry], n: int = ANSWER_TOKENS) -> tuple[int, ...]:
    """Return what a context that never read anything before says, but its last token.

    It reads entry by entry: the last bits of a sum hang on how much is read at once, and with them, once in a
    while, a token. What is compared with it must have been read in the same way.
    """
    session = opened.session
    session.clear()
    said: list[int] = []
    entries: Sequence[Entry] = prompt
    while len(said) < n:
        for entry in entries:
            session.decode([entry])
        logits = llama.llama_get_logits_ith(session.context, -1)
        token = int(np.ctypeslib.as_array(logits, (opened.vocabulary.size,)).argmax())
        if opened.vocabulary.ends_answer(token):
            return tuple(said)
        said.append(token)
        entries = [token]
    return tuple(said[:-1])
