"""Drive a ChildEngine in tests: ask, wait for events with a deadline, look at what came."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

from app.core.facts import HostPlan, Plan
from app.core.messages import ReasoningEffort, Role
from app.engine.client import ChildEngine
from app.engine.protocol import (
    AnswerPiece,
    Died,
    EngineEvent,
    Generated,
    GenerateRequest,
    Loaded,
    LoadRequest,
    Measured,
    MeasureRequest,
    PictureFile,
    PromptMessage,
    ReasoningPiece,
    RequestFailed,
    Sampling,
)

E = TypeVar("E")
DEADLINE_S = 60.0
GREEDY = Sampling(temperature=0.0)
_ids = count(1)


def fake_command(*arguments: str) -> list[str]:
    return [sys.executable, str(Path(__file__).with_name("fake_child.py")), *arguments]


def cpu_plan(context_tokens: int = 4096) -> Plan:
    return Plan(
        fits=True,
        context_tokens=context_tokens,
        n_gpu_layers=0,
        tensor_split=(),
        overrides=(),
        devices=(),
        host=HostPlan(0, 0),
        reasons=(),
    )


def user(text: str, *pictures: PictureFile) -> PromptMessage:
    return PromptMessage(Role.USER, text, pictures)


class Recorder:
    """Hold an engine and everything it said."""

    def __init__(self, command: list[str] | None = None, **options: Any) -> None:
        self.events: list[EngineEvent] = []
        self._arrived = threading.Condition()
        self._asked_at: dict[str, int] = {}
        self.engine = ChildEngine(self._listen, command, **options)

    def _listen(self, event: EngineEvent) -> None:
        with self._arrived:
            self.events.append(event)
            self._arrived.notify_all()

    def wait_for(self, kind: type[E], matches: Callable[[E], bool] = lambda _: True, since: int = 0) -> E:
        deadline = time.monotonic() + DEADLINE_S
        with self._arrived:
            while True:
                for event in self.events[since:]:
                    if isinstance(event, kind) and matches(event):
                        return event
                remaining = deadline - time.monotonic()
                if remaining <= 0 or not self._arrived.wait(remaining):
                    raise AssertionError(f"no {kind.__name__} came; the last: {self.events[-5:]}")

    def _ask(self, request: LoadRequest | GenerateRequest | MeasureRequest) -> None:
        with self._arrived:
            self._asked_at[request.request_id] = len(self.events)
        self.engine.ask(request)

    def load(self, model: Path, projector: Path | None = None, **options: Any) -> str:
        request_id = f"load-{next(_ids)}"
        plan = options.pop("plan", None) or cpu_plan()
        options.setdefault("threads", 1)
        self._ask(LoadRequest(request_id, model, projector, plan, **options))
        return request_id

    def loaded(self, model: Path, projector: Path | None = None, **options: Any) -> Loaded:
        event = self.end_of(self.load(model, projector, **options))
        assert isinstance(event, Loaded), event
        return event

    def generate(self, *messages: PromptMessage, **options: Any) -> str:
        request_id = f"turn-{next(_ids)}"
        effort = options.pop("effort", ReasoningEffort.NONE)
        sampling = options.pop("sampling", GREEDY)
        self._ask(GenerateRequest(request_id, messages, effort, sampling, **options))
        return request_id

    def generated(self, *messages: PromptMessage, **options: Any) -> Generated:
        event = self.end_of(self.generate(*messages, **options))
        assert isinstance(event, Generated), event
        return event

    def measured(self, *messages: PromptMessage, effort: ReasoningEffort = ReasoningEffort.NONE) -> Measured:
        request_id = f"measure-{next(_ids)}"
        self._ask(MeasureRequest(request_id, messages, effort))
        event = self.end_of(request_id)
        assert isinstance(event, Measured), event
        return event

    def end_of(self, request_id: str) -> Loaded | Generated | Measured | RequestFailed | Died:
        def ends(event: Any) -> bool:
            return isinstance(event, Died) or event.request_id == request_id

        kinds: Any = Loaded | Generated | Measured | RequestFailed | Died
        event: Any = self.wait_for(kinds, ends, self._asked_at[request_id])
        return event  # type: ignore[no-any-return]  # the union of kinds above

    def of(self, request_id: str) -> list[Any]:
        return [event for event in self.events if getattr(event, "request_id", None) == request_id]

    def answer(self, request_id: str) -> str:
        return "".join(event.text for event in self.of(request_id) if isinstance(event, AnswerPiece))

    def reasoning(self, request_id: str) -> str:
        return "".join(event.text for event in self.of(request_id) if isinstance(event, ReasoningPiece))
