"""Values and events about the models on this computer and in repositories; see also `app.core.events`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from app.core.facts import Offer


class StoredState(StrEnum):
    """How much of a model is there."""

    COMPLETE = "complete"
    PARTIAL = "partial"  # parts are missing or a download is unfinished
    DAMAGED = "damaged"  # a file does not have the size, the beginning or the checksum it must have


@dataclass(frozen=True, slots=True)
class StoredModel:
    """Describe a model on disk. `path` is its first file, which may not be there yet.

    `total_bytes` counts what is known: a missing part of which nothing arrived counts as 0. `verified` says
    that every file once matched its SHA-256. `files` are all parts that are there. `program` names the program
    that a file belongs to, empty for Solo's own models folder; such files are used in place and never changed.
    `checksum_known` says whether a check can compare with what the file must be. `deletable_bytes` is what
    deleting would free.
    """

    path: Path
    name: str
    state: StoredState
    done_bytes: int
    total_bytes: int
    verified: bool
    files: tuple[Path, ...] = ()
    projector: Path | None = None
    program: str = ""
    last_used: datetime | None = None
    checksum_known: bool = False
    deletable_bytes: int = 0


@dataclass(frozen=True, slots=True)
class LibraryListed:
    """Carry the models in Solo's folder and those that other programs have, each by name."""

    folder: Path
    models: tuple[StoredModel, ...]


@dataclass(frozen=True, slots=True)
class StoredModelDescribed:
    """Carry (label, value) pairs that a model's file says about itself."""

    path: Path
    details: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class CheckProgressed:
    """Say how far a check, or the repair that follows one, is; `sentence` says what is done now."""

    path: Path
    done_bytes: int
    total_bytes: int
    seconds_left: float | None
    sentence: str


@dataclass(frozen=True, slots=True)
class CheckEnded:
    """Say how a check or repair ended: `whole` None when it was stopped or could not be made.

    `damaged_bytes` is how much of the model is not as it must be; above 0 it can be fetched again alone.
    """

    path: Path
    whole: bool | None
    sentence: str
    damaged_bytes: int = 0


@dataclass(frozen=True, slots=True)
class StoredModelDeleted:
    """Say that a model is gone from the disk and how many bytes that freed."""

    path: Path
    freed_bytes: int


@dataclass(frozen=True, slots=True)
class RepositoryListed:
    """Carry the models a repository of the Hub holds, each with its fit, and the projectors beside them."""

    repository: str
    offers: tuple[Offer, ...]
    projectors: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RepositoryRefused:
    """Say in a sentence why a repository can't be listed."""

    repository: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Connection:
    """Hold one connection: when (local time), which server, what was asked, and how it ended."""

    at: datetime
    host: str
    asked: str
    ending: str
    n_bytes: int


@dataclass(frozen=True, slots=True)
class ConnectionsListed:
    """Carry every connection the program made, newest first; `earlier` sums up what is too old to list singly."""

    connections: tuple[Connection, ...]
    earlier: tuple[tuple[str, int, int], ...] = ()  # server, connections, bytes


class TaskState(StrEnum):
    """How a task of the first run stands."""

    WAITING = "waiting"  # another one comes first
    OPEN = "open"  # the person can do it now
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Task:
    """Hold one task of the first run; `sentence` says what was found, is under way or went wrong."""

    name: str
    title: str
    state: TaskState
    sentence: str = ""


LibraryEvent = (
    LibraryListed
    | StoredModelDescribed
    | CheckProgressed
    | CheckEnded
    | StoredModelDeleted
    | RepositoryListed
    | RepositoryRefused
    | ConnectionsListed
)
