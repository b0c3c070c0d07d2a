"""What the window shows of the model: planned, loading, ready, stopped."""

from __future__ import annotations

from pathlib import Path
from typing import assert_never

from app.core.built_in import is_built_in
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
from app.ui.commands import Commands
from app.ui.header import ModelState
from app.ui.session import ModelInUse, Session
from app.ui.window import MainWindow


class ModelPresenter:
    """Follow the model through its life."""

    def __init__(self, window: MainWindow, session: Session, commands: Commands) -> None:
        self._window = window
        self._session = session
        self._commands = commands
        self._planned: ModelPlanned | None = None
        self._loads = False  # the model that was ready before is gone

    def show(self, event: ModelEvent) -> None:
        """Show `event`."""
        match event:
            case ModelPlanned():
                self._plan(event)
            case PlanReduced():
                self._window.notices.say("reduced", event.sentence, kind="warning")
            case ModelLoadProgressed():
                self._progress(event.fraction)
            case ModelLoaded():
                self._finish(event)
            case ModelLoadFailed():
                self._fail(event)
            case ModelLoadStopped():
                self._lose(ModelState.NONE, "Loading was cancelled.")
            case EngineStopped():
                self._lose(ModelState.STOPPED, "The model has stopped.")
                if event.sentence != self._session.said_in_chat:  # one sentence is enough
                    self._window.notices.say("model", event.sentence, ("Start again", self._commands.restart_engine))
            case _:
                assert_never(event)

    def _plan(self, event: ModelPlanned) -> None:
        window = self._window
        self._planned = event
        self._loads = False
        window.notices.clear("model")
        window.header.show_model(event.name, ModelState.LOADING)
        window.hardware.show_plan(event)
        if window.page == "models":
            window.show_page("chat")
        if is_built_in(event.path):  # there in a moment; nothing to read meanwhile
            self._show_empty("", has_model=True)
            return
        empty = window.chat.empty
        empty.plan_card.show_plan(f"Loading {event.name}", event.plan, window.hardware.ram_bytes)
        empty.say("You can already write; the answer comes when the model is ready.", has_model=True)
        empty.tiles.hide()

    def _progress(self, fraction: float) -> None:
        self._loads = True
        self._session.is_model_ready = False
        self._window.header.show_model(self._name, ModelState.LOADING, fraction)
        self._window.models.built_in.show_in_use(in_use=False)

    def _finish(self, event: ModelLoaded) -> None:
        session, window = self._session, self._window
        session.model = ModelInUse(event.path, event.projector, event.name)
        session.is_model_ready = True
        self._loads = False
        window.notices.clear("model")
        self._rest()
        window.hardware.show_details(event.details)
        window.hardware.show_measured(event.measured)
        window.chat.composer.switch.set_known(known=event.knows_effort)
        window.chat.composer.set_sees_pictures(sees=event.sees_pictures, longest_side_pixels=event.longest_side_pixels)
        self._note_choice(event)
        self._commands.measure()

    def _note_choice(self, event: ModelLoaded) -> None:
        """Remember the model that the person chose; the built-in one is what is opened where none is remembered."""
        is_choice = is_built_in(event.path) and not event.is_stand_in
        self._window.models.welcome(first=is_choice)
        self._window.models.built_in.show_in_use(in_use=is_choice)
        if is_choice:
            self._commands.remember(model="", projector="")
        elif not event.is_stand_in:
            self._commands.remember(model=str(event.path), projector=str(event.projector or ""))

    def _fail(self, event: ModelLoadFailed) -> None:
        if event.has_stand_in:
            self._tell_of_stand_in(event)
            return
        actions = [("Open another…", self._commands.pick_model)]
        if event.can_retry_anyway:
            projector = self._planned.projector if self._planned else None
            actions.append(("Load anyway", lambda: self._load_anyway(event.path, projector)))
        self._window.notices.say("model", event.sentence, *actions)
        if self._session.is_model_ready and not self._loads:
            self._planned = None
            self._rest()
        else:
            self._lose(ModelState.NONE, "")

    def _tell_of_stand_in(self, event: ModelLoadFailed) -> None:
        settings = self._session.settings  # which still name the model that failed
        projector = Path(settings.projector) if settings.projector else None
        again = "Load anyway" if event.can_retry_anyway else "Try again"
        self._window.notices.say(
            "last model",
            f"{event.sentence} Until then, the tiny built-in model answers.",
            (again, lambda: self._commands.open_model(event.path, projector, anyway=event.can_retry_anyway)),
            ("Open another…", self._commands.pick_model),
        )

    def _load_anyway(self, path: Path, projector: Path | None) -> None:
        self._commands.open_model(path, projector, anyway=True)

    def _lose(self, state: ModelState, line: str) -> None:
        self._loads = False
        self._session.is_model_ready = False
        self._window.header.show_model(self._name if state is ModelState.STOPPED else "", state)
        self._window.models.built_in.show_in_use(in_use=False)
        self._show_empty(line, has_model=state is ModelState.STOPPED)

    def _rest(self) -> None:
        model = self._session.model
        self._window.header.show_model(model.name if model else "", ModelState.READY)
        self._show_empty("", has_model=True)

    def _show_empty(self, line: str, *, has_model: bool) -> None:
        empty = self._window.chat.empty
        empty.plan_card.hide()
        about = self._about
        empty.say(line, has_model=has_model, is_built_in=about is not None and is_built_in(about.path))

    @property
    def _name(self) -> str:
        return self._about.name if self._about is not None else ""

    @property
    def _about(self) -> ModelPlanned | ModelInUse | None:
        return self._planned or self._session.model
