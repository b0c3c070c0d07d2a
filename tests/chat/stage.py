"""A service with everything real around it but the language model: what it publishes, its disk, its engine."""

from __future__ import annotations

import sqlite3
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path
from typing import Any, TypeVar

from app.chat.service import ChatService
from app.core.events import ConversationsListed, Event, ModelLoaded, TurnFailed, TurnFinished, TurnStarted
from app.core.messages import Message, Picture, ReasoningEffort
from app.core.paths import Paths
from app.core.settings import Settings
from app.engine.client import ChildEngine
from app.engine.protocol import GenerateRequest, Listener, Request
from app.engine.wire import unpack
from tests.models.gguf_builder import small_gguf

E = TypeVar("E")
DEADLINE_S = 60.0
FAST, THINK = ReasoningEffort.NONE, ReasoningEffort.HIGH
FAKE_CHILD = Path(__file__).resolve().parents[1] / "engine" / "fake_child.py"
STEERED_CHILD = Path(__file__).with_name("steered_child.py")


def until(condition: Callable[[], Any], what: str = "nothing happened") -> None:
    """Wait for something that no event tells."""
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.01)


class Recorder:
    """Keep everything that is published; `on_event` runs inside the publishing thread."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.on_event: Callable[[Event], None] = lambda event: None
        self._arrived = threading.Condition()
        self._seen: dict[type, int] = {}

    def publish(self, event: Event) -> None:
        self.on_event(event)
        with self._arrived:
            self.events.append(event)
            self._arrived.notify_all()

    def wait_for(self, kind: type[E], matches: Callable[[E], bool] = lambda _: True) -> E:
        """Return the next event of `kind`, after the one that the last call for this kind returned."""
        deadline = time.monotonic() + DEADLINE_S
        with self._arrived:
            while True:
                for place in range(self._seen.get(kind, 0), len(self.events)):
                    event = self.events[place]
                    if isinstance(event, kind) and matches(event):
                        self._seen[kind] = place + 1
                        return event
                remaining = deadline - time.monotonic()
                if remaining <= 0 or not self._arrived.wait(remaining):
                    raise AssertionError(f"no {kind.__name__} came; the last: {self.events[-5:]}")

    def of(self, *kinds: type[E]) -> list[E]:
        with self._arrived:
            return [event for event in self.events if isinstance(event, kinds)]


class Stage:
    """Hold a running service, its recorder, and the folder that steers its engine."""

    def __init__(self, root: Path, scenario: Iterable[str] = (), settings: Settings | None = None) -> None:
        self.root = root
        self.paths = Paths(root / "Dätä", root / "config", root / "cache", root / "logs", root / "models")
        self.steering = root / "steering"
        self.steering.mkdir(exist_ok=True)
        self.paths.create()
        script = [str(FAKE_CHILD), *scenario] if scenario else [str(STEERED_CHILD), str(self.steering)]
        self.command = [sys.executable, *script]
        self.recorder = Recorder()
        self.engines: list[ChildEngine] = []
        self.service = ChatService(self.paths, settings or Settings(), self.recorder.publish, self._make_engine)

    def _make_engine(self, listener: Listener) -> ChildEngine:
        self.engines.append(ChildEngine(listener, self.command))
        return self.engines[-1]

    def start(self) -> Stage:
        self.service.start()
        return self

    def close(self) -> None:
        self.service.close()
        assert all(engine.pid is None for engine in self.engines), "an engine is left behind"

    # --- the engine ---

    @property
    def pid(self) -> int:
        pid = self.engines[-1].pid
        assert pid is not None, "no engine is running"
        return pid

    def hold(self, step: str) -> None:
        (self.steering / f"hold-{step}").touch()

    def release(self, step: str) -> None:
        (self.steering / f"hold-{step}").unlink()

    @property
    def requests(self) -> list[Request]:
        log = self.steering / "requests.jsonl"
        return [unpack(line) for line in log.read_bytes().splitlines()] if log.exists() else []  # type: ignore[misc]

    def prompt_of(self, turn_id: str) -> list[tuple[str, str]]:
        """Return (role, text) of the messages that the engine got for a turn."""
        found = [request for request in self.requests if request.request_id == turn_id]
        assert isinstance(found[0], GenerateRequest)
        return [(str(message.role), message.text) for message in found[0].messages]

    # --- steps that many tests take ---

    def model(self, name: str = "model.gguf", **metadata: Any) -> Path:
        return small_gguf(**metadata).write(self.paths.models / name)

    def load(self, path: Path | None = None) -> ModelLoaded:
        self.service.open_model(path or self.model())
        return self.recorder.wait_for(ModelLoaded)

    def begin(
        self,
        text: str,
        conversation_id: str | None = None,
        effort: ReasoningEffort = FAST,
        pictures: tuple[Picture, ...] = (),
    ) -> TurnStarted:
        self.service.send(conversation_id, text, pictures, effort)
        return self.recorder.wait_for(TurnStarted)

    def ask(self, text: str, conversation_id: str | None = None, **options: Any) -> Message:
        """Run a whole turn and return its answer."""
        started = self.begin(text, conversation_id, **options)
        return self.finished(started).answer

    def finished(self, started: TurnStarted) -> TurnFinished:
        return self.recorder.wait_for(TurnFinished, lambda event: event.turn_id == started.turn_id)

    def failed(self, started: TurnStarted) -> TurnFailed:
        return self.recorder.wait_for(TurnFailed, lambda event: event.turn_id == started.turn_id)

    def settle(self, query: str = "") -> ConversationsListed:
        """Wait until the worker has done everything that was asked before, and return the list as it is then."""
        barrier = uuid.uuid4().hex
        self._listed(barrier)
        return self._listed(query)

    def _listed(self, query: str) -> ConversationsListed:
        self.service.list_conversations(query)
        return self.recorder.wait_for(ConversationsListed, lambda event: event.query == query)

    # --- the disk, as another process sees it ---

    def rows(self, query: str, *values: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(f"file:{self.paths.database}?mode=ro", uri=True)) as connection:
            return connection.execute(query, values).fetchall()

    def change(self, statement: str, *values: str) -> None:
        with closing(sqlite3.connect(self.paths.database)) as connection, connection:
            connection.execute(statement, values)

    def text_on_disk(self, message_id: str) -> str:
        parts = self.rows("SELECT text FROM parts WHERE message_id = ? ORDER BY position", message_id)
        growth = self.rows("SELECT text FROM growth WHERE message_id = ? ORDER BY number", message_id)
        return "".join(text for (text,) in [*parts, *growth])

    def state_on_disk(self, message_id: str) -> str:
        return str(self.rows("SELECT state FROM messages WHERE id = ?", message_id)[0][0])
