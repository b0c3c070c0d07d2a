"""Downloads on their way: one at a time, on a thread of its own."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from app.chat.machine import Machine
from app.chat.offers import list_offers, what_is_here
from app.core.errors import AppError, Cancelled, RepositoryMissing
from app.core.events import (
    BugFound,
    DownloadDiscarded,
    DownloadFailed,
    DownloadFinished,
    DownloadProgressed,
    DownloadStopped,
    Publish,
    Refused,
)
from app.core.settings import Settings
from app.models.catalogue import Entry, load_catalogue, resolve_offer
from app.models.download import discard_download, download_files
from app.models.download_progress import Progress
from app.models.download_record import PART_SUFFIX
from app.models.hub import Hub, RemoteFile

log = logging.getLogger(__name__)

_MIB = 1 << 20
_PATIENCE_S = 5.0
OpenModel = Callable[[Path, Path | None], None]


@dataclass(frozen=True, slots=True)
class _Wanted:
    """Hold the very files of a download: the model's parts in order, and its projector."""

    model: tuple[RemoteFile, ...]
    projector: RemoteFile | None

    @property
    def files(self) -> tuple[RemoteFile, ...]:
        """Return everything: the small projector first, so that the model's end is the end."""
        return (self.projector, *self.model) if self.projector is not None else self.model


@dataclass(frozen=True, slots=True)
class _Order:
    """Say what to download, where to, and what to do with it then; `key` names it in events."""

    key: str
    folder: Path
    ask: Callable[[], _Wanted]
    open_model: OpenModel


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
        self._under_way = ""  # the key of what is being downloaded
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
        self._start(_Order(entry.id, entry.folder(target), lambda: _ask_for(entry), open_model))

    def download_listed(
        self,
        key: str,
        repository: str,
        revision: str,
        names: Sequence[str],
        folder: Path,
        open_model: OpenModel,
    ) -> None:
        """Bring files of any repository into `folder`, then open them; events carry `key` as the offer's id.

        `names` are the model's parts in order, and one with "mmproj" in it the projector.
        """
        wanted = tuple(names)
        self._start(_Order(key, folder, lambda: _ask_for_files(repository, revision, wanted), open_model))

    def stop(self) -> None:
        """Pause the download under way; what has arrived stays."""
        with self._lock:
            if self._cancel is not None:
                self._cancel.set()

    def discard(self, key: str, folder: Path) -> None:
        """Cancel a download, if it is under way, and delete what of it is unfinished in `folder`.

        Publishes DownloadDiscarded; whole files stay.
        """
        with self._lock:
            thread = self._thread if self._under_way == key else None
            if self._closed:
                return
        if thread is not None:
            self.stop()
        self._looker.submit(self._discard, key, folder, thread)

    def close(self) -> None:
        """Pause the download and wait until its files are closed; what is asked later is ignored."""
        with self._lock:
            self._closed = True
        self.stop()
        self._looker.shutdown(wait=False, cancel_futures=True)
        if self._thread is not None:
            self._thread.join(_PATIENCE_S)

    def _start(self, order: _Order) -> None:
        with self._lock:
            if self._closed:
                return
            if self._cancel is not None:
                self._publish(Refused("Another download is under way. Pause it first."))
                return
            self._cancel = threading.Event()
            self._under_way = order.key
            self._thread = threading.Thread(target=self._run, args=(order, self._cancel), name="download", daemon=True)
            self._thread.start()

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

    def _discard(self, key: str, folder: Path, thread: threading.Thread | None) -> None:
        try:
            if thread is not None:
                thread.join(_PATIENCE_S)
            parts = folder.glob(f"*{PART_SUFFIX}") if folder.is_dir() else ()
            freed = sum(discard_download(part.with_name(part.name.removesuffix(PART_SUFFIX))) for part in parts)
            self._publish(DownloadDiscarded(key, freed))
        except OSError as error:
            self._publish(Refused(f"The folder {folder} can’t be used: {error.strerror or error}."))
        except AppError as error:
            self._publish(Refused(str(error)))
        except Exception as error:  # the border of the thread: a bug must be seen
            log.exception("a download could not be discarded")
            self._report(error)

    def _run(self, order: _Order, cancel: threading.Event) -> None:
        ending = self._bring(order, cancel)
        with self._lock:
            self._cancel = None  # first of all: whoever hears of the end may start the next one
            self._under_way = ""
        self._publish(ending)
        if isinstance(ending, DownloadFinished):
            order.open_model(ending.model, ending.projector)

    def _bring(self, order: _Order, cancel: threading.Event) -> DownloadFinished | DownloadStopped | DownloadFailed:
        try:
            return self._download(order, cancel)
        except Cancelled:
            return DownloadStopped(order.key)
        except AppError as error:
            log.info("the download of %s ended", order.key, exc_info=True)
            return DownloadFailed(order.key, str(error))
        except Exception as error:  # the border of the thread: a bug must be seen
            log.exception("the download of %s failed unexpectedly", order.key)
            self._report(error)
            return DownloadFailed(order.key, "The download stopped because of a mistake in the program.")

    def _download(self, order: _Order, cancel: threading.Event) -> DownloadFinished:
        wanted = order.ask()
        paths = download_files(
            wanted.files,
            order.folder,
            on_progress=lambda progress: self._publish(_progressed(order.key, progress)),
            cancel=cancel,
            limit=lambda: self._settings().download_limit_kib * 1024.0,
        )
        path_of = dict(zip(wanted.files, paths, strict=True))
        projector = path_of[wanted.projector] if wanted.projector is not None else None
        return DownloadFinished(order.key, path_of[wanted.model[0]], projector)

    def _report(self, error: Exception) -> None:
        self._publish(BugFound.from_exception(error))


def _ask_for(entry: Entry) -> _Wanted:
    resolved = resolve_offer(entry)
    return _Wanted(resolved.model, resolved.projector)


def _ask_for_files(repository: str, revision: str, names: Sequence[str]) -> _Wanted:
    """Ask the Hub for files by name. Raises RepositoryMissing when one is not there, and as `Hub.list_files`."""
    listed = {file.name: file for file in Hub().list_files(repository, revision)}
    missing = next((name for name in names if name not in listed), None)
    model = tuple(listed[name] for name in names if name in listed and "mmproj" not in name.lower())
    if missing is not None or not model:
        raise RepositoryMissing(
            f"“{repository}” no longer holds {missing or 'this model'}. Look it up again or choose another download."
        )
    return _Wanted(model, next((listed[name] for name in names if "mmproj" in name.lower()), None))


def _progressed(key: str, progress: Progress) -> DownloadProgressed:
    return DownloadProgressed(
        offer_id=key,
        file=progress.file,
        done_bytes=progress.done_bytes,
        total_bytes=progress.total_bytes,
        bytes_per_second=progress.bytes_per_second,
        seconds_left=progress.seconds_left,
        verifying=progress.verifying,
        note=progress.note,
        waiting=progress.waiting,
    )
