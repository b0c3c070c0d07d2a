"""`solo setup`: the first run without a window, as the same list of tasks."""

from __future__ import annotations

import json
import queue
import sys
import uuid
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from app.chat.first_run import Situation, list_tasks
from app.chat.machine import Machine
from app.chat.offers import list_offers, recommend
from app.chat.opening import prepare_opening
from app.console.download import Wanted, download
from app.console.words import in_bytes
from app.core.cpu import cores_in_words
from app.core.errors import AppError, DiskFull, NotEnoughMemory
from app.core.events import DownloadFinished, OffersListed
from app.core.facts import Hardware, Offer
from app.core.library import Task, TaskState
from app.core.settings import Settings, save_settings
from app.engine.protocol import Died, Engine, EngineEvent, Listener, Loaded, LoadRequest, RequestFailed

_MIB, _GIB = 1 << 20, 1 << 30
_SPARE_BYTES = 2 << 30
_HINT = "Enter takes what stands in brackets, s skips, q leaves. “solo setup” goes on where you left."
_LATER = "Left. “solo setup” goes on from here; the built-in model answers meanwhile."


@dataclass(frozen=True, slots=True)
class Answers:
    """Hold what was given on the command line in place of questions."""

    offer_id: str
    folder: Path | None
    takes_defaults: bool
    as_json: bool


class _Skipped(Exception):
    """Say that the person skips the task."""


class _Left(Exception):
    """Say that the person goes on another time."""


class Setup:
    """Lead through the tasks; each answer is remembered at once, so that one can leave at any point."""

    def __init__(
        self,
        settings_path: Path,
        models: Path,
        settings: Settings,
        answers: Answers,
        make_engine: Callable[[Listener], Engine],
    ) -> None:
        self._settings_path = settings_path
        self._settings = settings
        self._answers = answers
        self._make_engine = make_engine
        folder = answers.folder or (Path(settings.models_folder) if settings.models_folder else models)
        self._now = Situation(folder=folder)

    def run(self) -> None:
        """Do the tasks that are left. Raises AppError, KeyboardInterrupt."""
        offers = self._look()
        if self._answers.as_json:
            print(json.dumps(_as_json(list_tasks(self._now), offers), indent=2))
            return
        print(_HINT)
        self._tell("hardware")
        try:
            offer = self._choose(offers)
            folder = self._place(offer, offers)
            self._bring(offer, folder)
            self._load()
        except _Skipped:
            self._remember(first_run="skipped")
            print("Skipped. The built-in model answers; “solo setup” and the Models page bring another one any time.")
        except _Left:
            print(_LATER)

    def _look(self) -> OffersListed:
        hardware = Machine().look()
        folder = self._now.folder
        assert folder is not None
        listed = list_offers(hardware, self._settings.reserve_mib * _MIB, folder)
        self._now = replace(self._now, machine=_describe(hardware), free_bytes=listed.free_bytes)
        return listed

    def _choose(self, listed: OffersListed) -> Offer:
        offers = listed.offers
        wanted = self._answers.offer_id or self._settings.first_choice
        best = recommend(offers) or offers[-1]
        usual = next((offer for offer in offers if offer.id == wanted), best)
        if self._answers.offer_id and usual.id != self._answers.offer_id:
            names = ", ".join(offer.id for offer in offers)
            raise AppError(f"The catalogue has no model called {self._answers.offer_id}. It has: {names}.")
        if not self._answers.offer_id:
            print("\nChoose a model")
            for number, offer in enumerate(offers, 1):
                print(f"  {number}  {offer.title}, {in_bytes(offer.total_bytes)}. {offer.fit}")
            usual = offers[self._ask_number("Which one?", len(offers), offers.index(usual) + 1) - 1]
        self._now = replace(self._now, chosen=usual)
        self._remember(first_choice=usual.id)
        self._tell("choice")
        return usual

    def _place(self, offer: Offer, listed: OffersListed) -> Path:
        print(f"\nWhere to put it: {in_bytes(listed.free_bytes)} are free in {listed.target}")
        folder = listed.target
        if self._answers.folder is None:
            given = self._ask("Folder?", str(folder))
            folder = Path(given).expanduser().absolute()
        listed = list_offers(listed.hardware, self._settings.reserve_mib * _MIB, folder)
        self._now = replace(self._now, folder=folder, free_bytes=listed.free_bytes)
        if offer.total_bytes + _SPARE_BYTES > listed.free_bytes:
            print(f"  {self._task('place').sentence} What is here already counts; the download looks closer.")
        self._remember(models_folder=str(folder))
        return folder

    def _bring(self, offer: Offer, folder: Path) -> None:
        print(f"\nDownload and check of {offer.title}")
        wanted = Wanted(offer.id, "", "", None)
        while True:
            try:
                model, projector = download(wanted, folder, self._settings, as_json=False)
            except DiskFull:
                raise
            except AppError as error:
                self._fail(error)
                continue
            self._now = replace(self._now, ending=DownloadFinished(offer.id, model, projector))
            self._tell("check")
            return

    def _load(self) -> None:
        done = self._now.ending
        assert isinstance(done, DownloadFinished)
        print("\nLoad")
        while True:
            try:
                seconds = load_once(done.model, done.projector, self._settings, self._make_engine)
            except AppError as error:
                self._fail(error)
                continue
            self._now = replace(self._now, is_loaded=True)
            self._remember(model=str(done.model), projector=str(done.projector or ""), first_run="done")
            print(f"  Loaded in {seconds:.1f} s. Start “solo”: this model answers there.")
            return

    def _fail(self, error: AppError) -> None:
        """Say what went wrong and ask whether to try again; raise the error where nobody can be asked."""
        if self._answers.takes_defaults:
            raise error
        print(f"  {error}")
        self._ask("Try again?", "yes")

    def _ask_number(self, question: str, highest: int, usual: int) -> int:
        while True:
            given = self._ask(question, str(usual))
            if given.isdecimal() and 1 <= int(given) <= highest:
                return int(given)
            print(f"  A number from 1 to {highest} is needed.")

    def _ask(self, question: str, usual: str) -> str:
        """Return the answer. Raises _Skipped or _Left."""
        if self._answers.takes_defaults:
            return usual
        try:
            given = input(f"  {question} [{usual}] ").strip()
        except EOFError as error:
            print()
            raise _Left from error
        match given.lower():
            case "":
                return usual
            case "s" | "skip":
                raise _Skipped
            case "q" | "quit":
                raise _Left
            case _:
                return given

    def _remember(self, **changes: str) -> None:
        self._settings = replace(self._settings, **changes)  # type: ignore[arg-type]  # only texts are changed here
        save_settings(self._settings_path, self._settings)

    def _task(self, name: str) -> Task:
        return next(task for task in list_tasks(self._now) if task.name == name)

    def _tell(self, name: str) -> None:
        task = self._task(name)
        mark = "done" if task.state is TaskState.DONE else task.state.value
        print(f"\n{task.title} ({mark})\n  {task.sentence}")


def load_once(
    model: Path, projector: Path | None, settings: Settings, make_engine: Callable[[Listener], Engine]
) -> float:
    """Load a model as the window would, let go of it, and return the seconds it took. Raises AppError."""
    opening = prepare_opening(model, projector, settings, Machine().look())
    if not opening.plan.fits:
        raise NotEnoughMemory(" ".join(opening.plan.reasons))
    events: queue.SimpleQueue[EngineEvent] = queue.SimpleQueue()
    engine = make_engine(events.put)
    found = opening.projector.path if opening.projector else None
    try:
        engine.ask(LoadRequest(uuid.uuid4().hex, opening.model.path, found, opening.plan))
        while True:
            event = events.get()
            if isinstance(event, Loaded):
                return event.load_seconds
            if isinstance(event, RequestFailed | Died):
                raise event.error
    finally:
        engine.close()


def _describe(hardware: Hardware) -> str:
    cards = [f"{gpu.name} ({gpu.total_bytes / _GIB:.0f} GiB)" for gpu in hardware.gpus] or ["no usable GPU"]
    ram = f"{hardware.ram_available_bytes / _GIB:.1f} of {hardware.ram_total_bytes / _GIB:.1f} GiB of RAM free"
    return f"{', '.join(cards)}; {ram}; {hardware.cpu_name}, {cores_in_words(hardware.cpu_cores)}"


def _as_json(tasks: Sequence[Task], listed: OffersListed) -> dict[str, object]:
    fields = ("id", "title", "repository", "quantization", "licence", "total_bytes", "fits", "fit")
    return {
        "tasks": [asdict(task) for task in tasks],
        "folder": str(listed.target),
        "free_bytes": listed.free_bytes,
        "offers": [{name: getattr(offer, name) for name in fields} for offer in listed.offers],
    }


def set_up(
    settings_path: Path,
    models: Path,
    settings: Settings,
    answers: Answers,
    make_engine: Callable[[Listener], Engine],
) -> None:
    """Lead through the first run in the terminal. Raises AppError, KeyboardInterrupt."""
    try:
        Setup(settings_path, models, settings, answers, make_engine).run()
    except KeyboardInterrupt:
        print(f"\n{_LATER}", file=sys.stderr)
        raise
