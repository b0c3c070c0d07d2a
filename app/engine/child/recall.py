"""What the model has read before, brought back before a turn and kept after it."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from app.core.errors import GenerationFailed
from app.core.messages import ReasoningEffort
from app.engine.child.identity import identity_of
from app.engine.child.preflight import Headers
from app.engine.child.prompting import Prompt, Prompter
from app.engine.child.recent_states import RecentStates
from app.engine.child.session import Entry, Session, StateRefused
from app.engine.child.state_file import Identity, Reading, SavedState, StateUnusable, read_state, read_state_header
from app.engine.child.state_writer import StateWriter
from app.engine.child.streaming import Spoken
from app.engine.protocol import LoadRequest, StateKeeping
from app.engine.state_folder import BeingRead, remove_state

log = logging.getLogger(__name__)

WORTH_TOKENS = 64  # less is read again sooner than looked for
REST_AFTER_S = 1.0
_UNUSABLE = (StateUnusable, StateRefused, OSError, MemoryError)


@dataclass(frozen=True, slots=True)
class _Live:
    """Say whose words stand in the session: a chat's side, and what the model wrote of them."""

    chat_id: str = ""
    side: str = ""
    written: tuple[Spoken, ...] = ()


class Recall:
    """Keep one state for each side (fast, think) of each chat: in memory, and on disk if that is wished.

    The settings stand at the front of a prompt, so that the two sides of a chat share next to nothing. They
    take turns in the one memory of the model; a copy of what makes room is made before, mostly long before: once
    nothing was asked for REST_AFTER_S. All but `forget` and `close` belong to the thread that generates.
    """

    def __init__(
        self, session: Session, prompter: Prompter, identity: Identity, keeping: StateKeeping, *, two_sides: bool
    ) -> None:
        self._session = session
        self._prompter = prompter
        self._identity = identity
        self._two_sides = two_sides
        self._recent = RecentStates(keeping.ram_bytes, forgets_freely=session.forgets_freely)
        self._writer: StateWriter | None = None
        if keeping.folder is not None and keeping.disk_bytes > 0:
            self._writer = StateWriter(keeping.folder, keeping.disk_bytes, identity)
        self._busy = threading.RLock()
        self._live = _Live()
        self._is_dirty = False
        self._rest_at = 0.0
        self._forgotten: set[str] = set()
        self._wanted = ("", "")
        self._found: list[Reading] = []

    # --- a turn ---

    @contextmanager
    def turn(self, chat_id: str, effort: ReasoningEffort) -> Iterator[None]:
        """Hold still for a turn of `chat_id`; nothing is written meanwhile."""
        with self._busy:
            writer = self._writer
            if writer is not None:
                writer.pause()
            try:
                self._begin(chat_id, effort.value if self._two_sides else "")
                yield
            except GenerationFailed:
                self._distrust(chat_id)
                raise
            finally:
                self._rest_at = time.monotonic() + REST_AFTER_S
                if writer is not None:
                    writer.go_on()

    def resume(self, prompt: Prompt) -> int:
        """Bring back whatever shares most with `prompt`; return how many of its entries need no decoding."""
        wanted = self._wanted
        if (self._live.chat_id, self._live.side) != wanted:
            self._save_live()
        for state in self._candidates(prompt.entries):
            if self._restore(state):
                break
        self._live = _Live(*wanted, prompt.written)
        self._is_dirty = True
        return self._session.keep_prefix(prompt.entries)

    def remember(self, spoken: Sequence[Spoken]) -> None:
        """Keep what the model wrote in this turn with its very tokens."""
        self._prompter.remember(spoken)
        said = tuple(Spoken(stretch.text, list(stretch.tokens)) for stretch in spoken if stretch.text)
        self._live = replace(self._live, written=self._live.written + said)

    # --- between turns ---

    def seconds_until_rest(self) -> float | None:
        """Return how long to wait for a request before `rest` is due; None for ever."""
        return max(0.0, self._rest_at - time.monotonic()) if self._is_dirty else None

    def rest(self) -> None:
        """Copy what the model has read: nobody is waiting now."""
        with self._busy:
            self._save_live()

    def forget(self, chat_id: str | None) -> None:
        """Keep nothing more of a chat; of None, of any chat on disk. Safe from any thread."""
        if chat_id is not None:
            self._forgotten.add(chat_id)
        self._recent.forget(chat_id)
        writer = self._writer
        if writer is not None:
            writer.forget(chat_id)
            if chat_id is None:
                self._writer = None
                writer.close()

    def close(self, timeout_s: float = 0.0) -> None:
        """Save what is not saved yet; wait `timeout_s` at most for a turn, and as long for the disk. Any thread."""
        if not self._busy.acquire(timeout=timeout_s or -1):
            return
        try:
            if self._writer is not None:
                self._save_live()
            self._is_dirty = False  # the session may be gone from now on
        finally:
            self._busy.release()
        if self._writer is not None:
            self._writer.close()
            self._writer.finish(timeout_s)

    # --- inside ---

    def _begin(self, chat_id: str, side: str) -> None:
        self._wanted = chat_id, side
        self._forgotten.discard(chat_id)
        self._found = list(self._on_disk(chat_id)) if chat_id else []
        for reading in self._found:
            # How the model wrote its answers must be known before the prompt is made of them.
            self._prompter.learn(reading.written)

    def _distrust(self, chat_id: str) -> None:
        """Keep nothing that a turn that went wrong could have used: numbers that overflow stay in the memory."""
        log.info("what the model has read of a chat is not used again, because its turn went wrong")
        self._session.clear()
        self._is_dirty = False
        self._recent.forget(chat_id)
        if self._writer is not None:
            self._writer.forget(chat_id)

    def _on_disk(self, chat_id: str) -> Iterator[Reading]:
        """Yield the headers of what only the disk has of a chat."""
        for side in [effort.value for effort in ReasoningEffort] if self._two_sides else [""]:
            key = chat_id, side
            if self._writer is None or self._recent.has(*key) or (self._live.chat_id, self._live.side) == key:
                continue
            path = self._writer.path(*key)
            try:
                reading = read_state_header(path, self._identity)
                if reading.key != key:
                    raise StateUnusable("it is of another chat")
                yield reading
            except _UNUSABLE as reason:
                _ignore(path, reason)

    def _candidates(self, wanted: Sequence[Entry]) -> list[Reading]:
        """Return what spares more than what stands in the session does, the best first."""
        spared = self._session.usable(self._session.entries, wanted) + WORTH_TOKENS
        known: list[Reading] = [*self._recent.all(), *self._found]
        usable = [(self._session.usable(reading.entries, wanted), reading) for reading in known]
        best = sorted((pair for pair in usable if pair[0] > spared), key=lambda pair: -pair[0])
        return [reading for _, reading in best]

    def _restore(self, state: Reading) -> bool:
        """Replace what stands in the session by `state`; return whether that went well."""
        if not isinstance(state, SavedState):
            return self._restore_from_disk(state)
        try:
            self._session.restore(state.entries, state.content)
        except StateRefused as reason:
            log.info("a state is not used: %s", reason)
            self._recent.drop(state)
            return False
        self._recent.touch(state)
        return True

    def _restore_from_disk(self, reading: Reading) -> bool:
        if self._writer is None:
            return False
        path = self._writer.path(*reading.key)
        try:
            whole = read_state(path, self._identity)
            with BeingRead(path):
                self._session.restore(whole.entries, whole.content)
        except _UNUSABLE as reason:
            _ignore(path, reason)
            return False
        self._recent.put(whole)
        return True

    def _save_live(self) -> None:
        is_dirty, self._is_dirty = self._is_dirty, False
        live, session, writer = self._live, self._session, self._writer
        if not is_dirty or not live.chat_id or live.chat_id in self._forgotten or session.tokens < WORTH_TOKENS:
            return
        limit_bytes = max(self._recent.limit_bytes, writer.limit_bytes if writer is not None else 0)
        if session.count_state_bytes() > limit_bytes:
            return
        try:
            content = session.save()
        except (MemoryError, StateRefused) as reason:
            log.info("what the model has read is not kept: %s", reason)
            return
        state = SavedState(live.chat_id, live.side, session.entries, live.written, content)
        self._recent.put(state)
        if writer is not None:
            writer.put(state)


def open_recall(
    session: Session, prompter: Prompter, request: LoadRequest, headers: Headers, *, two_sides: bool
) -> Recall:
    """Return what remembers for a model that was just opened."""
    keeping = request.states
    try:
        identity = identity_of(request, headers, session.context)
    except OSError as error:
        log.info("nothing is kept on disk, because the model's file can't be read again: %s", error)
        identity, keeping = {}, replace(keeping, folder=None)
    return Recall(session, prompter, identity, keeping, two_sides=two_sides)


def _ignore(path: Path, reason: Exception) -> None:
    """Log why the state in `path` is of no use, and remove what will never be; none being there is no fault."""
    if isinstance(reason, FileNotFoundError):
        return
    log.info("the saved state %s is ignored: %s", path.name, reason)
    if isinstance(reason, StateUnusable | StateRefused):
        remove_state(path)
