"""The place of the one loaded model."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from enum import Enum, auto
from pathlib import Path

from app.chat.desk import EngineDesk
from app.chat.opening import Opening
from app.core.errors import AppError, Cancelled, EngineUnavailable, ModelNotLoaded, NotEnoughMemory
from app.core.events import (
    EngineStopped,
    ModelLoaded,
    ModelLoadFailed,
    ModelLoadProgressed,
    ModelLoadStopped,
    ModelPlanned,
    Publish,
)
from app.engine.protocol import Died, EngineEvent, Loaded, LoadProgressed, LoadRequest, RequestFailed

NO_MODEL = "No model is open yet. Open a model file, or download one under Models."
_LOAD_CANCELLED = "Loading the model was cancelled. Open it again to go on."


class _State(Enum):
    EMPTY = auto()
    LOADING = auto()
    READY = auto()
    DEAD = auto()  # the engine's process ended; the model can be loaded again


class ModelSlot:
    """Load a model, know whether it answers, and load it again after the engine died."""

    def __init__(self, desk: EngineDesk, publish: Publish, prepare: Callable[[Path, Path | None], Opening]) -> None:
        self._desk = desk
        self._publish = publish
        self._prepare = prepare
        self._state = _State.EMPTY
        self._opening: Opening | None = None
        self._request_id = ""
        self.context_tokens = 0
        self.failure = NO_MODEL

    @property
    def is_ready(self) -> bool:
        """Say whether the model answers."""
        return self._state is _State.READY

    @property
    def is_in_use(self) -> bool:
        """Say whether a model answers or is being loaded."""
        return self._state in (_State.READY, _State.LOADING)

    @property
    def name(self) -> str:
        """Return the model's name, empty when none was opened."""
        return self._opening.model.name if self._opening else ""

    def open(self, path: Path, projector: Path | None, make_way: Callable[[], None], *, anyway: bool = False) -> None:
        """Plan and load `path`. Problems are published.

        Only once it is sure that there is something to load, `make_way` is called and a load under way cancelled.
        """
        try:
            opening = self._prepare(path, projector)
            self._publish(
                ModelPlanned(
                    path,
                    opening.projector.path if opening.projector else None,
                    opening.model.name,
                    opening.plan,
                )
            )
            if not opening.plan.fits and not anyway:
                raise NotEnoughMemory(" ".join(opening.plan.reasons))
        except AppError as error:
            self._refuse(path, error)
            return
        make_way()
        self.cancel()
        self._load(opening)

    def cancel(self) -> None:
        """Stop a load under way."""
        if self._state is _State.LOADING and not self._desk.cancel(self._request_id):
            self._settle(_State.EMPTY, _LOAD_CANCELLED)
            if self._opening is not None:
                self._publish(ModelLoadStopped(self._opening.model.path))

    def wake(self) -> None:
        """Load the model again after the engine died. Raises ModelNotLoaded where there is none."""
        if self._state is _State.DEAD and self._opening is not None:
            self._load(self._opening)
        elif self._state is _State.EMPTY:
            raise ModelNotLoaded(self.failure)

    def lose(self, event: Died) -> None:
        """Take notice that the engine's process ended."""
        if self._state is _State.READY:
            self._settle(_State.DEAD, str(event.error))
            self._publish(EngineStopped(str(event.error)))

    def _refuse(self, path: Path, error: AppError) -> None:
        # The model that was loaded before, if any, still answers: its state is left alone.
        if self._state is _State.EMPTY:
            self.failure = str(error)
        self._publish(ModelLoadFailed(path, str(error), isinstance(error, NotEnoughMemory)))

    def _load(self, opening: Opening) -> None:
        self._opening = opening
        self._state = _State.LOADING
        self._request_id = uuid.uuid4().hex
        projector = opening.projector.path if opening.projector else None
        request = LoadRequest(self._request_id, opening.model.path, projector, opening.plan)
        self._desk.submit(request, lambda event: self._receive(request, event))

    def _receive(self, request: LoadRequest, event: EngineEvent) -> None:
        stale = request.request_id != self._request_id  # another load has taken its place
        match event:
            case LoadProgressed() if not stale:
                self._publish(ModelLoadProgressed(event.fraction))
            case Loaded() if not stale:
                self._settle(_State.READY, "")
                self.context_tokens = event.context_tokens
                self._publish(_loaded(request, event))
            case RequestFailed(error=Cancelled()) if not stale:
                self._settle(_State.EMPTY, _LOAD_CANCELLED)
                self._publish(ModelLoadStopped(request.model))
            case RequestFailed() | Died() if not stale:
                can_wake = isinstance(event, Died) or isinstance(event.error, EngineUnavailable)
                state = _State.DEAD if can_wake else _State.EMPTY
                self._settle(state, str(event.error))
                self._publish(ModelLoadFailed(request.model, str(event.error)))
            case _:
                pass

    def _settle(self, state: _State, failure: str) -> None:
        self._state = state
        self.failure = failure


def _loaded(request: LoadRequest, event: Loaded) -> ModelLoaded:
    return ModelLoaded(
        path=request.model,
        projector=request.projector,
        name=event.name,
        context_tokens=event.context_tokens,
        sees_pictures=event.sees_pictures,
        knows_effort=event.knows_effort,
        load_seconds=event.load_seconds,
        details=event.details,
    )
