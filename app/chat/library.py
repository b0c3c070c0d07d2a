"""The models on this computer and in repositories: list, describe, check, download and delete them."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path

from app.chat.checks import CheckDesk
from app.chat.downloads import DownloadDesk, OpenModel
from app.chat.machine import Machine
from app.chat.model_facts import describe_stored
from app.chat.offers import offer_repository
from app.core.errors import AppError
from app.core.events import BugFound, Publish, Refused
from app.core.facts import Offer
from app.core.library import (
    CheckEnded,
    Connection,
    ConnectionsListed,
    LibraryListed,
    RepositoryRefused,
    StoredModel,
    StoredModelDeleted,
    StoredModelDescribed,
)
from app.core.paths import Paths
from app.core.settings import Settings
from app.models.catalogue import load_catalogue
from app.models.connections import ConnectionEntry, list_connections
from app.models.elsewhere import Surroundings, this_computer
from app.models.ledger import Ledger
from app.models.library import delete_model, list_library, origin_of
from app.models.repository import list_repository, repository_name

log = logging.getLogger(__name__)

_MIB = 1 << 20


class LibraryDesk:
    """Implement `app.chat.protocol.Library`; safe from any thread."""

    def __init__(
        self,
        publish: Publish,
        settings: Callable[[], Settings],
        machine: Machine,
        paths: Paths,
        open_chosen: OpenModel,
        open_downloaded: OpenModel,
        where: Surroundings | None = None,
    ) -> None:
        self._publish = publish
        self._settings = settings
        self._machine = machine
        self._downloads = DownloadDesk(publish, settings, machine)
        self._data = paths.data
        self._own_folder = paths.models
        self._folder = Path(settings().models_folder) if settings().models_folder else paths.models
        self._open_chosen = open_chosen
        self._open_downloaded = open_downloaded
        self._where = where or this_computer()
        self._ledger = Ledger(paths.data / "library.json")
        self._looker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="library")
        self._checks = CheckDesk(publish, lambda: settings().download_limit_kib * 1024.0, self._where, self._ledger)
        self._in_use: Path | None = None
        self._closed = False

    def list_models(self, folder: Path | None = None) -> None:
        """Publish LibraryListed for Solo's `folder` (None: the one of last time) and those of other programs."""
        if folder is not None:
            self._folder = folder
        self._look(self._list)

    def describe(self, model: StoredModel) -> None:
        """Publish StoredModelDescribed (or Refused)."""
        self._look(lambda: self._publish(StoredModelDescribed(model.path, describe_stored(model))))

    def delete(self, model: StoredModel) -> None:
        """Delete a model of Solo's own folder; publishes StoredModelDeleted and LibraryListed (or Refused)."""
        self._look(lambda: self._delete(model))

    def look_up(self, text: str) -> None:
        """Publish RepositoryListed for what a person wrote as a repository's name, or RepositoryRefused."""
        self._look(lambda: self._look_up(text))

    def list_connections(self) -> None:
        """Publish ConnectionsListed."""
        self._look(lambda: self._publish(connections_in(self._data)))

    def note_use(self, model: Path) -> None:
        """Remember that `model` is in use now."""
        self._in_use = model
        self._look(lambda: self._ledger.note_use(model))

    # --- checks ---

    def check(self, path: Path, *, repair: bool = False) -> None:
        """Check the model at `path`, with `repair` fetching what is damaged again; publishes CheckEnded."""
        self._checks.check(path, repair=repair, then=self._tell_check)

    def use(self, model: StoredModel) -> None:
        """Open a model; one of another program is checked first, once. Publishes CheckEnded when it was."""

        def open_whole(ending: CheckEnded) -> None:
            self._tell_check(ending)
            if ending.whole:
                self._open_chosen(model.path, model.projector)

        if model.program and not model.verified:
            self._checks.check(model.path, repair=False, then=open_whole)
        else:
            self._open_chosen(model.path, model.projector)

    def stop_check(self) -> None:
        """Stop the check or repair under way; publishes CheckEnded."""
        self._checks.stop()

    # --- downloads ---

    def list_offers(self, target: Path | None = None) -> None:
        """Publish OffersListed."""
        self._downloads.list_offers(target or self._own_folder)

    def download(self, offer_id: str, target: Path) -> None:
        """Download, or go on with, an offer; a finished one is opened, unless another model is in use."""
        self._downloads.download(offer_id, target, self._open_downloaded)

    def stop_download(self) -> None:
        """Pause the download."""
        self._downloads.stop()

    def download_listed(self, offer: Offer, projector: str, target: Path) -> None:
        """Download an offer of a repository with the projector of that name (or none) into the folder `target`."""
        owner, name = offer.repository.split("/")
        names = (*offer.files, projector) if projector else offer.files
        folder = target / owner / name
        self._downloads.download_listed(
            offer.id, offer.repository, offer.revision, names, folder, self._open_downloaded
        )

    def resume(self, model: StoredModel) -> None:
        """Go on with an unfinished download, as if it had been asked for where it began (or Refused)."""
        folder = model.path.parent
        if any(entry.id == folder.name for entry in load_catalogue()):
            self._downloads.download(folder.name, folder.parent, self._open_downloaded)
            return
        origin = origin_of(model)
        if origin is None:
            self._publish(Refused(f"Where {model.name} came from is not known any more. Download it again."))
            return
        key = f"{origin.repository}:{model.name}"
        self._downloads.download_listed(
            key, origin.repository, origin.revision, origin.names, folder, self._open_downloaded
        )

    def discard(self, key: str, folder: Path) -> None:
        """Stop a download and delete what has arrived of it; publishes DownloadDiscarded."""
        self._downloads.discard(key, folder)

    def close(self) -> None:
        """Stop downloads and checks and wait until their files are closed; what is asked later is ignored."""
        self._closed = True
        self._downloads.close()
        self._looker.shutdown(wait=False, cancel_futures=True)
        self._checks.close()

    # --- on the desk's thread ---

    def _look(self, job: Callable[[], None]) -> None:
        if not self._closed:
            self._looker.submit(self._answer, job)

    def _answer(self, job: Callable[[], None]) -> None:
        try:
            job()
        except AppError as error:
            self._publish(Refused(str(error)))
        except OSError as error:
            place = error.filename or "The disk"
            self._publish(Refused(f"{place} can’t be used: {error.strerror or error}."))
        except Exception as error:  # the border of the thread: a bug must be seen
            log.exception("a question about models failed unexpectedly")
            self._publish(BugFound.from_exception(error))

    def _list(self) -> None:
        self._publish(LibraryListed(self._folder, list_library(self._folder, self._ledger, self._where)))

    def _delete(self, model: StoredModel) -> None:
        if model.path == self._in_use:
            self._publish(Refused(f"{model.name} is in use. Open another model first, then delete it."))
            return
        self._publish(StoredModelDeleted(model.path, delete_model(model)))
        self._ledger.forget(model.path)
        self._list()

    def _look_up(self, text: str) -> None:
        try:
            listing = list_repository(repository_name(text))
        except AppError as error:
            self._publish(RepositoryRefused(text, str(error)))
            return
        reserve_bytes = self._settings().reserve_mib * _MIB
        self._publish(offer_repository(listing, self._machine.look(), reserve_bytes))

    def _tell_check(self, ending: CheckEnded) -> None:
        self._publish(ending)
        self._look(self._list)


def connections_in(data: Path) -> ConnectionsListed:
    """Return the program's connections as they are noted in its folder `data`."""
    noted = list_connections(data)
    return ConnectionsListed(
        tuple(_connection(entry) for entry in noted.entries),
        tuple((total.host, total.count, total.n_bytes) for total in noted.earlier),
    )


def _connection(entry: ConnectionEntry) -> Connection:
    answer = f"answer {entry.status}" if entry.status else "no answer"
    ending = answer if entry.finished else "did not end in order"
    at = datetime.fromtimestamp(entry.at).astimezone()
    return Connection(at, entry.host, f"{entry.method} {entry.path}", ending, entry.n_bytes)
