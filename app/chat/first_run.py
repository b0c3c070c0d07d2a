"""The first run as a list of tasks: what is done, what is next, what went wrong. Pure; the disk is the memory."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from app.core.events import DownloadFailed, DownloadFinished, DownloadProgressed, DownloadStopped
from app.core.facts import Offer
from app.core.library import Task, TaskState

SPARE_BYTES = 2 << 30  # what a download leaves free
Ending = DownloadFinished | DownloadStopped | DownloadFailed


@dataclass(frozen=True, slots=True)
class Situation:
    """Hold what is known: `machine` describes the hardware, empty while it is looked at.

    `progress` is the newest of a download under way, `ending` how the last one ended. `load_fraction` is None
    while nothing loads; `is_loaded` says that the chosen model answers.
    """

    machine: str = ""
    chosen: Offer | None = None
    is_skipped: bool = False
    folder: Path | None = None
    free_bytes: int = 0
    progress: DownloadProgressed | None = None
    ending: Ending | None = None
    load_fraction: float | None = None
    load_failure: str = ""
    is_loaded: bool = False

    @property
    def is_downloading(self) -> bool:
        """Say whether bytes are on their way."""
        return self.progress is not None and self.ending is None

    @property
    def is_here(self) -> bool:
        """Say whether every file arrived and was verified."""
        return isinstance(self.ending, DownloadFinished)


def list_tasks(now: Situation) -> tuple[Task, ...]:
    """Return the tasks of the first run in order."""
    return (_hardware(now), _choice(now), _place(now), _download(now), _check(now), _load(now))


def _hardware(now: Situation) -> Task:
    state = TaskState.DONE if now.machine else TaskState.RUNNING
    return Task("hardware", "This computer", state, now.machine or "Looking at this computer…")


def _choice(now: Situation) -> Task:
    if now.chosen is not None:
        state = TaskState.DONE if now.chosen.fits else TaskState.FAILED
        return Task("choice", "Choose a model", state, now.chosen.fit)
    if now.is_skipped:
        return Task("choice", "Choose a model", TaskState.SKIPPED, "The built-in model answers until you choose one.")
    state = TaskState.OPEN if now.machine else TaskState.WAITING
    return Task("choice", "Choose a model", state)


def _place(now: Situation) -> Task:
    title = "Where to put it"
    if now.folder is None:
        return Task("place", title, TaskState.WAITING)
    missing = now.chosen.total_bytes + SPARE_BYTES - now.free_bytes if now.chosen is not None else 0
    if missing > 0 and not now.is_here and not now.is_downloading:
        more = f"{missing / 1e9:.1f}\N{NARROW NO-BREAK SPACE}GB more room is needed there; choose another folder."
        return Task("place", title, TaskState.FAILED, more)
    room = f"{now.free_bytes / 1e9:,.0f}\N{NARROW NO-BREAK SPACE}GB free"
    return Task("place", title, TaskState.DONE if now.chosen is not None else TaskState.OPEN, room)


def _download(now: Situation) -> Task:
    title = "Download"
    match now.ending:
        case DownloadFinished():
            return Task("download", title, TaskState.DONE, "Everything has arrived.")
        case DownloadFailed(sentence=sentence):
            return Task("download", title, TaskState.FAILED, sentence)
        case DownloadStopped():
            return Task("download", title, TaskState.OPEN, "Paused; what arrived is kept.")
    if now.progress is not None:
        return Task("download", title, TaskState.RUNNING, now.progress.note)
    if now.is_skipped:
        return Task("download", title, TaskState.SKIPPED)
    return Task("download", title, TaskState.OPEN if now.chosen is not None else TaskState.WAITING)


def _check(now: Situation) -> Task:
    title = "Check"
    if now.is_here:
        return Task("check", title, TaskState.DONE, "Every byte is what its makers published.")
    if now.is_downloading and now.progress is not None and now.progress.verifying:
        return Task("check", title, TaskState.RUNNING, "Comparing with the published checksum…")
    return Task("check", title, TaskState.SKIPPED if now.is_skipped else TaskState.WAITING)


def _load(now: Situation) -> Task:
    title = "Load"
    if now.is_loaded:
        return Task("load", title, TaskState.DONE, "The model answers.")
    if now.load_failure:
        return Task("load", title, TaskState.FAILED, now.load_failure)
    if now.load_fraction is not None:
        percent = f"{round(100 * now.load_fraction)}\N{NARROW NO-BREAK SPACE}%"
        return Task("load", title, TaskState.RUNNING, f"Loading, {percent}")
    if now.is_skipped:
        return Task("load", title, TaskState.SKIPPED)
    return Task("load", title, TaskState.OPEN if now.is_here else TaskState.WAITING)
