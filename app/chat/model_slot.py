"""The place of the one loaded model."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from enum import Enum, auto
from pathlib import Path

from app.chat.descent import Descent, StepMemory
from app.chat.desk import EngineDesk
from app.chat.opening import Opening
from app.core.built_in import BUILT_IN_NAME, is_built_in
from app.core.errors import AppError, Cancelled, EngineUnavailable, ModelNotLoaded, NotEnoughMemory
from app.core.events import (
    EngineStopped,
    ModelEvent,
    ModelLoaded,
    ModelLoadFailed,
    ModelLoadProgressed,
    ModelLoadStopped,
    ModelPlanned,
    PlanReduced,
)
from app.core.messages import ReasoningEffort
from app.core.sampling import SAMPLING, Sampling
from app.engine.protocol import Died, EngineEvent, Loaded, LoadProgressed, LoadRequest, RequestFailed, StateKeeping

NO_MODEL = "No model is open yet. Open a model file, or download one under Models."
_LOAD_CANCELLED = "Loading the model was cancelled. Open it again to go on."


class _State(Enum):
    EMPTY = auto()
    LOADING = auto()
    READY = auto()
    DEAD = auto()  # the engine's process ended; the model can be loaded again


class ModelSlot:
    """Load a model, know whether it answers, and load it again after the engine died."""

    def __init__(
        self,
        desk: EngineDesk,
        publish: Callable[[ModelEvent], None],
        prepare: Callable[[Path, Path | None], Opening],
        memory: StepMemory,
        keeping: Callable[[], StateKeeping] = StateKeeping,
    ) -> None:
        self._desk = desk
        self._publish = publish
        self._prepare = prepare
        self._memory = memory
        self._keeping = keeping
        self._state = _State.EMPTY
        self._descent: Descent | None = None
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
    def is_built_in(self) -> bool:
        """Say whether the model is the one that came with the program."""
        return self._opening is not None and is_built_in(self._opening.model.path)

    def sampling(self, effort: ReasoningEffort) -> Sampling:
        """Return how the model's makers want tokens to be drawn."""
        return self._opening.sampling(effort) if self._opening is not None else SAMPLING[effort]

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
            descent = Descent(opening, self._memory.recall(opening))
            opening = descent.opening
            self._publish(_planned(path, opening))
            if not opening.plan.fits and not anyway:
                raise NotEnoughMemory(" ".join(opening.plan.reasons))
        except AppError as error:
            self._refuse(path, error)
            return
        make_way()
        self.cancel()
        self._load(descent)

    def cancel(self) -> None:
        """Stop a load under way."""
        if self._state is _State.LOADING and not self._desk.cancel(self._request_id):
            self._settle(_State.EMPTY, _LOAD_CANCELLED)
            if self._opening is not None:
                self._publish(ModelLoadStopped(self._opening.model.path))

    def wake(self) -> None:
        """Load the model again after the engine died. Raises ModelNotLoaded where there is none."""
        if self._state is _State.DEAD and self._descent is not None:
            self._load(self._descent)
        elif self._state is _State.EMPTY:
            raise ModelNotLoaded(self.failure)

    def lose(self, event: Died) -> None:
        """Take notice that the engine's process ended."""
        if self._state is _State.READY:
            self._settle(_State.DEAD, str(event.error))
            self._publish(EngineStopped(str(event.error)))
            if phrase := self._reduce(event.error):
                self._publish(PlanReduced(f"Memory ran out. With your next message the model is loaded with {phrase}."))

    def relieve(self, error: NotEnoughMemory) -> None:
        """Give something up before the next message, after memory ran out in an answer but the engine lives."""
        if self._state is _State.READY and (phrase := self._reduce(error)):
            self._settle(_State.DEAD, str(error))
            self._publish(EngineStopped(str(error)))
            self._publish(PlanReduced(f"Memory ran out. With your next message the model is loaded with {phrase}."))

    def _refuse(self, path: Path, error: AppError) -> None:
        # The model that was loaded before, if any, still answers: its state is left alone.
        if self._state is _State.EMPTY:
            self.failure = str(error)
        self._publish(ModelLoadFailed(path, str(error), isinstance(error, NotEnoughMemory)))

    def _reduce(self, error: AppError) -> str:
        return self._descent.go_on(error) if self._descent is not None else ""

    def _load(self, descent: Descent, *, first: bool = False) -> None:
        self._descent, opening = descent, descent.opening
        self._state = _State.LOADING
        self._request_id = uuid.uuid4().hex
        projector = opening.projector.path if opening.projector else None
        request = LoadRequest(
            self._request_id,
            opening.model.path,
            projector,
            opening.plan,
            opening.metadata,
            states=self._keeping(),
        )
        self._desk.submit(request, lambda event: self._receive(request, event), first=first)

    def _receive(self, request: LoadRequest, event: EngineEvent) -> None:
        stale = request.request_id != self._request_id  # another load has taken its place
        match event:
            case LoadProgressed() if not stale:
                self._publish(ModelLoadProgressed(event.fraction))
            case Loaded() if not stale:
                self._settle(_State.READY, "")
                self.context_tokens = event.context_tokens
                self._remember()
                self._publish(_loaded(request, event))
            case RequestFailed(error=Cancelled()) if not stale:
                self._settle(_State.EMPTY, _LOAD_CANCELLED)
                self._publish(ModelLoadStopped(request.model))
            case RequestFailed() | Died() if not stale and self._try_smaller(request.model, event.error):
                pass
            case RequestFailed() | Died() if not stale:
                can_wake = isinstance(event, Died) or isinstance(event.error, EngineUnavailable)
                state = _State.DEAD if can_wake else _State.EMPTY
                self._settle(state, str(event.error))
                self._publish(ModelLoadFailed(request.model, str(event.error)))
            case _:
                pass

    def _try_smaller(self, path: Path, error: AppError) -> bool:
        """Load again with something given up, if memory ran out; return whether there was something to give up."""
        descent = self._descent
        if descent is None or not (phrase := descent.go_on(error)):
            return False
        self._publish(_planned(path, descent.opening))
        self._publish(PlanReduced(f"Memory ran out. The model is loaded again with {phrase}."))
        self._load(descent, first=True)
        return True

    def _remember(self) -> None:
        if self._descent is not None:
            self._memory.keep(self._descent.opening, self._descent.steps)

    @property
    def _opening(self) -> Opening | None:
        return self._descent.opening if self._descent is not None else None

    def _settle(self, state: _State, failure: str) -> None:
        self._state = state
        self.failure = failure


def _planned(path: Path, opening: Opening) -> ModelPlanned:
    projector = opening.projector.path if opening.projector else None
    return ModelPlanned(
        path, projector, opening.model.name, opening.plan, opening.model, opening.projector, opening.hardware
    )


def _loaded(request: LoadRequest, event: Loaded) -> ModelLoaded:
    return ModelLoaded(
        path=request.model,
        projector=request.projector,
        name=BUILT_IN_NAME if is_built_in(request.model) else event.name,
        context_tokens=event.context_tokens,
        sees_pictures=event.sees_pictures,
        knows_effort=event.knows_effort,
        load_seconds=event.load_seconds,
        details=event.details,
        longest_side_pixels=event.longest_side_pixels,
        measured=event.buffers,
    )
