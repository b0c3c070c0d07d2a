"""Downloads on their way: one at a time, on a thread of its own."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from app.chat.machine import Machine
from app.chat.offers import list_offers, what_is_here
from app.core.errors import AppError, Cancelled
from app.core.events import (
    BugFound,
    DownloadFailed,
    DownloadFinished,
    DownloadProgressed,
    DownloadStopped,
    Publish,
    Refused,
)
from app.core.settings import Settings
from app.models.catalogue import Entry, load_catalogue, resolve_offer
from app.models.download import download_files
from app.models.download_progress import Progress

log = logging.getLogger(__name__)

_MIB = 1 << 20
_PATIENCE_S = 5.0
OpenModel = Callable[[Path, Path | None], None]


class DownloadDesk:
    """List what can be downloaded, and download it; safe from any thread."""

    def __init__(self, publish: Publish, settings: Callable[[], Settings], machine: Machine) -> None:
        self._publish = publish
        self._settings = settings
        self._machine = machine
        self._looker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="offers")
        self._lock = threading.Lock()
        self._cancel: threading.Event | None = None
        self._thread: threading.Thread | None = None
        self._under_way = ""  # the id of the offer that is being downloaded
        self._closed = False

    def list_offers(self, target: Path) -> None:
        """Publish OffersListed for downloads into `target`."""
        if not self._closed:
            self._looker.submit(self._list, target)

    def download(self, offer_id: str, target: Path, open_model: OpenModel) -> None:
        """Bring an offer into the models folder `target`, then open it."""
        entry = next((entry for entry in load_catalogue() if entry.id == offer_id), None)
        if entry is None:
            raise ValueError(f"no offer is called {offer_id!r}")
        with self._lock:
            if self._closed:
                return
            if self._cancel is not None:
                self._publish(Refused("Another download is under way. Pause it first."))
                return
            self._cancel = threading.Event()
            self._under_way = entry.id
            job = (entry, target, self._cancel, open_model)
            self._thread = threading.Thread(target=self._run, args=job, name="download", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Pause the download under way; what has arrived stays."""
        with self._lock:
            if self._cancel is not None:
                self._cancel.set()

    def close(self) -> None:
        """Pause the download and wait until its files are closed; what is asked later is ignored."""
        with self._lock:
            self._closed = True
        self.stop()
        self._looker.shutdown(wait=False, cancel_futures=True)
        if self._thread is not None:
            self._thread.join(_PATIENCE_S)

    def _list(self, target: Path) -> None:
        try:
            reserve_bytes = self._settings().reserve_mib * _MIB
            self._publish(list_offers(self._machine.look(), reserve_bytes, target))
            self._tell_what_is_here(target)
        except OSError as error:
            self._publish(Refused(f"The folder {target} can’t be used: {error.strerror or error}."))
        except AppError as error:
            self._publish(Refused(str(error)))
        except Exception as error:  # the border of the thread: a bug must be seen
            log.exception("the offers could not be listed")
            self._report(error)

    def _tell_what_is_here(self, target: Path) -> None:
        for entry in load_catalogue():
            found = what_is_here(entry, target)
            if found is not None and entry.id != self._under_way:
                self._publish(found)

    def _run(self, entry: Entry, target: Path, cancel: threading.Event, open_model: OpenModel) -> None:
        ending = self._bring(entry, target, cancel)
        with self._lock:
            self._cancel = None  # first of all: whoever hears of the end may start the next one
            self._under_way = ""
        self._publish(ending)
        if isinstance(ending, DownloadFinished):
            open_model(ending.model, ending.projector)

    def _bring(
        self, entry: Entry, target: Path, cancel: threading.Event
    ) -> DownloadFinished | DownloadStopped | DownloadFailed:
        try:
            return self._download(entry, target, cancel)
        except Cancelled:
            return DownloadStopped(entry.id)
        except AppError as error:
            log.info("the download of %s ended", entry.id, exc_info=True)
            return DownloadFailed(entry.id, str(error))
        except Exception as error:  # the border of the thread: a bug must be seen
            log.exception("the download of %s failed unexpectedly", entry.id)
            self._report(error)
            return DownloadFailed(entry.id, "The download stopped because of a mistake in the program.")

    def _download(self, entry: Entry, target: Path, cancel: threading.Event) -> DownloadFinished:
        resolved = resolve_offer(entry)
        paths = download_files(
            resolved.files,
            entry.folder(target),
            on_progress=lambda progress: self._publish(_progressed(entry, progress)),
            cancel=cancel,
        )
        path_of = dict(zip(resolved.files, paths, strict=True))
        projector = path_of[resolved.projector] if resolved.projector is not None else None
        return DownloadFinished(entry.id, path_of[resolved.model[0]], projector)

    def _report(self, error: Exception) -> None:
        self._publish(BugFound.from_exception(error))


def _progressed(entry: Entry, progress: Progress) -> DownloadProgressed:
    return DownloadProgressed(
        offer_id=entry.id,
        file=progress.file,
        done_bytes=progress.done_bytes,
        total_bytes=progress.total_bytes,
        bytes_per_second=progress.bytes_per_second,
        seconds_left=progress.seconds_left,
        verifying=progress.verifying,
        note=progress.note,
    )
