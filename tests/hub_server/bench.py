"""What most tests of a download need: a served repository, a folder to download into, small numbers."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from app.models.download import download_files
from app.models.download_progress import Progress
from app.models.download_stream import Tuning
from app.models.hub import Hub, RemoteFile
from tests.hub_server.faults import Fault
from tests.hub_server.server import HubServer, Repository

REPOSITORY = "maker/model-GGUF"
CHUNK = 64 << 10
QUICK = Tuning(
    chunk_bytes=CHUNK,
    piece_bytes=CHUNK // 8,
    piece_s=0.05,
    progress_bytes=CHUNK // 4,
    stall_s=0.4,
    attempts=3,
    first_pause_s=0.01,
    longest_pause_s=0.02,
    longest_retry_after_s=0.3,
    spare_bytes=0,
    room_check_s=0.05,
)


def content_of(size: int, seed: int = 1) -> bytes:
    """Return bytes that differ everywhere."""
    return random.Random(seed).randbytes(size)


@dataclass
class Bench:
    """Hold a server with one repository and what a download of it reported."""

    server: HubServer
    target: Path
    files: dict[str, bytes]
    tuning: Tuning = QUICK
    limit: Callable[[], float] | None = None
    cancel: threading.Event = field(default_factory=threading.Event)
    seen: list[Progress] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.server.repositories[REPOSITORY] = Repository(dict(self.files))

    @property
    def repository(self) -> Repository:
        """Return what is served."""
        return self.server.repositories[REPOSITORY]

    @property
    def hub(self) -> Hub:
        """Return the client's side."""
        return Hub(self.server.endpoint, token="hf_secret")

    def listed(self) -> tuple[RemoteFile, ...]:
        """Ask for the files."""
        return self.hub.list_files(REPOSITORY)

    def break_with(self, *faults: Fault) -> None:
        """Let things go wrong from now on."""
        self.server.script.add(*faults)

    def download(self, files: tuple[RemoteFile, ...] | None = None) -> tuple[Path, ...]:
        """Download everything, or `files`."""
        return download_files(
            self.listed() if files is None else files,
            self.target,
            on_progress=self.seen.append,
            cancel=self.cancel,
            hub=self.hub,
            tuning=self.tuning,
            limit=self.limit,
        )
