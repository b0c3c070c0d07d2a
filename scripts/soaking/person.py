"""Someone who asks as soon as there was an answer, in every way there is."""

from __future__ import annotations

import random
import threading
from pathlib import Path

from PIL import Image

from app.chat.protocol import Service
from app.core.events import (
    AnswerText,
    BugFound,
    EngineStopped,
    Event,
    ModelLoaded,
    ModelLoadFailed,
    PictureAttached,
    PictureRefused,
    ReasoningText,
    SendRefused,
    TurnFailed,
    TurnFinished,
    TurnStarted,
)
from app.core.messages import Message, ReasoningEffort

N_PICTURES = 6
TURNS_PER_CHAT = 12
LONGEST_PIECES = 60  # of an answer; the random model would go on until its context is full
_WORDS = "river stone cloud window letter garden winter paper silver morning".split()


class Person:
    """Use `service`: the next wish is made when the answer to the last has ended. Any thread may call `hear`."""

    def __init__(self, folder: Path, seed: int, *, sees: bool) -> None:
        self._chance = random.Random(seed)
        self._pictures = _make_pictures(folder, self._chance) if sees else []
        self._lock = threading.Lock()
        self._service: Service | None = None
        self._answer: Message | None = None
        self._turns = self._turns_here = 0
        self._pieces_left = 0
        self.failures: list[str] = []

    def meet(self, service: Service) -> None:
        """Use `service` from now on."""
        self._service = service

    def leave(self) -> None:
        """Ask for nothing more."""
        with self._lock:
            self._service = None

    def count(self) -> int:
        """Return how many turns have ended."""
        return self._turns

    def hear(self, event: Event) -> None:
        """Take an event, and go on."""
        with self._lock:
            service = self._service
            if service is not None:
                self._take(event, service)

    def _take(self, event: Event, service: Service) -> None:
        match event:
            case ModelLoaded():
                self._ask(service)
            case TurnStarted():
                self._pieces_left = self._chance.choice((1, 3, LONGEST_PIECES, LONGEST_PIECES, LONGEST_PIECES))
            case AnswerText() | ReasoningText():
                self._pieces_left -= 1
                if self._pieces_left == 0:
                    service.stop()
            case TurnFinished():
                self._answer = event.answer
                self._turns += 1
                self._go_on(service)
            case PictureAttached():
                self._send(service, event)
            case TurnFailed() | ModelLoadFailed() | EngineStopped() | PictureRefused() | SendRefused():
                self.failures.append(event.sentence)
                self._answer = None
                self._ask(service)
            case BugFound():
                self.failures.append(event.details)
            case _:
                pass

    def _go_on(self, service: Service) -> None:
        answer, mood = self._answer, self._chance.random()
        self._turns_here += 1
        if self._turns_here > TURNS_PER_CHAT:
            self._turns_here, self._answer = 0, None
            self._ask(service)
        elif answer is not None and mood < 0.15:
            service.regenerate(answer.id, self._effort())
        elif answer is not None and answer.parent_id is not None and mood < 0.25:
            service.edit(answer.parent_id, self._text(), self._effort())
        else:
            self._ask(service)

    def _ask(self, service: Service) -> None:
        if self._pictures and self._chance.random() < 0.2:
            service.attach_file(str(self._turns), self._chance.choice(self._pictures))
        else:
            self._send(service, None)

    def _send(self, service: Service, attached: PictureAttached | None) -> None:
        conversation = self._answer.conversation_id if self._answer is not None else None
        pictures = (attached.picture,) if attached is not None else ()
        service.send(conversation, self._text(), pictures, self._effort())

    def _text(self) -> str:
        return " ".join(self._chance.choices(_WORDS, k=self._chance.choice((3, 10, 200)))) + "?"

    def _effort(self) -> ReasoningEffort:
        return self._chance.choice((ReasoningEffort.NONE, ReasoningEffort.HIGH))


def _make_pictures(folder: Path, chance: random.Random) -> list[Path]:
    paths = []
    for number in range(N_PICTURES):
        path = folder / f"picture-{number}.png"
        size = chance.randrange(60, 300), chance.randrange(60, 300)
        Image.new("RGB", size, (40 * number, 90, 200)).save(path)
        paths.append(path)
    return paths
