"""What can be downloaded, judged for this machine before a byte is fetched."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from app.core.events import DownloadFinished, DownloadStopped, OffersListed
from app.core.facts import Fit, Hardware, Offer, Plan, TensorRole
from app.core.library import RepositoryListed, StoredState
from app.hardware.planner import RAM_RESERVE_BYTES, plan_placement
from app.hardware.wishes import Wishes
from app.models.catalogue import Entry, load_catalogue, make_offers
from app.models.download_part import PART_SUFFIX
from app.models.files import find_projector
from app.models.library import list_models
from app.models.repository import RemoteModel, RepositoryListing
from app.models.sketch import ModelSizes, sizes_from_bytes, sketch_model, sketch_projector

_GIB = 1 << 30
_WORTH_SAYING_BYTES = _GIB // 2
_FLUENT_TOKENS_PER_SECOND = 6.0  # a fast reader's five words


def list_offers(hardware: Hardware, reserve_bytes: int, target: Path) -> OffersListed:
    """Return the catalogue's entries with how each fits; nothing is asked of any server."""
    offers = make_offers(load_catalogue(), judge(hardware, reserve_bytes))
    return OffersListed(hardware, offers, target, free_bytes(target))


def offer_repository(listing: RepositoryListing, hardware: Hardware, reserve_bytes: int) -> RepositoryListed:
    """Return the models of a repository with how each fits, judged by its size alone; the best that fits first."""
    projector_bytes = listing.projectors[0].size if listing.projectors else 0

    def offer(model: RemoteModel) -> Offer:
        fit = judge_sizes(sizes_from_bytes(model.total_bytes), projector_bytes, hardware, reserve_bytes)
        return Offer(
            id=f"{listing.repository}:{model.name}",
            title=model.name,
            repository=listing.repository,
            revision=listing.revision,
            quantization=model.quantization or "unknown quantization",
            description=_parts(model),
            licence="licence: see its page",
            files=tuple(file.name for file in model.files),
            total_bytes=model.total_bytes,
            exact=True,
            fits=fit.fits,
            fit=f"{fit.sentence} Judged by its size.",
            tokens_per_second=fit.tokens_per_second,
        )

    offers = sorted(map(offer, listing.models), key=lambda found: (not found.fits, -found.total_bytes))
    return RepositoryListed(listing.repository, tuple(offers), tuple(file.name for file in listing.projectors))


def what_is_here(entry: Entry, target: Path) -> DownloadFinished | DownloadStopped | None:
    """Return how far an earlier download of `entry` into `target` came, if there was one."""
    folder = entry.folder(target)
    models = list_models(folder) if folder.is_dir() else ()
    whole = next((model for model in models if model.state is StoredState.COMPLETE and model.verified), None)
    if whole is None:
        # A projector of which only a part arrived is no model yet, but it is begun.
        begun = bool(models) or any(folder.glob(f"*{PART_SUFFIX}"))
        return DownloadStopped(entry.id) if begun else None
    projector = find_projector(whole.path)
    if projector is None and entry.projector is not None:
        return DownloadStopped(entry.id)
    return DownloadFinished(entry.id, whole.path, projector)


def free_bytes(folder: Path) -> int:
    """Return the room on the volume that holds `folder`, or will hold it once it is made. Raises OSError."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return shutil.disk_usage(folder).free


def recommend(offers: Sequence[Offer]) -> Offer | None:
    """Return the first that fits and writes as fast as people read, else the fastest that fits, if any does."""
    fitting = [offer for offer in offers if offer.fits]
    fluent = (offer for offer in fitting if offer.tokens_per_second >= _FLUENT_TOKENS_PER_SECOND)
    return next(fluent, None) or max(fitting, key=lambda offer: offer.tokens_per_second, default=None)


def judge(hardware: Hardware, reserve_bytes: int) -> Callable[[Entry], Fit]:
    """Return the function that says whether, and how, an entry fits this machine."""
    return lambda entry: judge_sizes(entry.sizes, entry.projector_bytes, hardware, reserve_bytes)


def judge_sizes(sizes: ModelSizes, projector_bytes: int, hardware: Hardware, reserve_bytes: int) -> Fit:
    """Plan for a model of which only sizes are known."""
    sketch = sketch_model(sizes)
    projector = sketch_projector(projector_bytes, sizes.embedding_length)
    plan = plan_placement(sketch, projector, hardware, Wishes(reserve_bytes=reserve_bytes))
    if not plan.fits:
        return Fit(False, _too_big(plan, hardware))
    looked_up = sum(tensor.n_bytes for tensor in sketch.tensors if tensor.role is TensorRole.EMBEDDING)
    return Fit(True, _fits(plan, plan.host.weights_bytes - looked_up), plan.expected_tokens_per_second)


def _too_big(plan: Plan, hardware: Hardware) -> str:
    missing = plan.host.total_bytes + RAM_RESERVE_BYTES - hardware.ram_available_bytes
    if missing <= 0:
        return " ".join(plan.reasons)
    return f"Too big: needs {_gib(missing)} more RAM."


def _fits(plan: Plan, in_ram_bytes: int) -> str:
    pace = f", about {plan.expected_tokens_per_second:.0f} tokens/s" if plan.expected_tokens_per_second >= 1 else ""
    if not plan.devices:
        return f"Fits in {_gib(plan.host.total_bytes)} of RAM and runs on the processor{pace}."
    cards = {1: plan.devices[0].name, 2: "both cards"}.get(len(plan.devices), f"all {len(plan.devices)} cards")
    ram = f" and {_gib(in_ram_bytes)} of RAM" if in_ram_bytes >= _WORTH_SAYING_BYTES else ""
    return f"Fits {cards}{ram}{pace}."


def _parts(model: RemoteModel) -> str:
    count = len(model.files)
    return "One file." if count == 1 else f"In {count} files, which are fetched together."


def _gib(size: int) -> str:
    amount = size / _GIB
    digits = 0 if amount >= 10 else 1
    return f"{amount:.{digits}f}\N{NARROW NO-BREAK SPACE}GiB"
