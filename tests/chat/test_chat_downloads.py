"""From the list of offers to the first answer, and everything that can come in between."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub import close_session, constants

from app.chat.downloads import DownloadDesk
from app.chat.machine import Machine
from app.core.events import (
    BugFound,
    DownloadDiscarded,
    DownloadFailed,
    DownloadFinished,
    DownloadProgressed,
    DownloadStopped,
    Event,
    ModelLoaded,
    ModelLoadFailed,
    OffersListed,
    Refused,
)
from app.core.settings import Settings
from app.models.catalogue import load_catalogue
from tests.chat.conftest import MakeStage
from tests.chat.stage import Stage, until
from tests.hub_server.faults import Fault, Kind, Where
from tests.hub_server.server import HubServer, Repository
from tests.models.gguf_builder import Gguf, small_metadata, small_projector, small_tensors

SMALL = next(entry for entry in load_catalogue() if entry.id == "ministral-3-3b-instruct-q4-k-m")
SPLIT = next(entry for entry in load_catalogue() if entry.id == "mistral-small-4-q4-k-m-bartowski")
N_LAYERS = 20
SOUND = Fault(Kind.CUT, at=1 << 40)  # a fault that never comes: the request before the one that is meant


def use_hub(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Do what HF_ENDPOINT does when it is set before the program starts."""
    template = constants.HUGGINGFACE_CO_URL_TEMPLATE.replace(constants.ENDPOINT, endpoint)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(constants, "ENDPOINT", endpoint)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    model = Gguf(small_metadata(block_count=N_LAYERS), small_tensors(N_LAYERS)).write(tmp_path / "served.gguf")
    projector = small_projector().write(tmp_path / "served-mmproj.gguf")
    assert SMALL.projector is not None
    files = {SMALL.files[0]: model.read_bytes(), SMALL.projector.file: projector.read_bytes()}
    with HubServer() as server:
        use_hub(server.endpoint, monkeypatch)
        server.repositories[SMALL.repository] = Repository(files)
        yield server
        close_session()


def download(stage: Stage, offer_id: str = SMALL.id) -> None:
    stage.service.library.download(offer_id, stage.paths.models)


def test_from_the_offers_to_the_first_answer(hub: HubServer, make_stage: MakeStage) -> None:
    stage = make_stage()
    stage.service.library.list_offers()
    listed = stage.recorder.wait_for(OffersListed)
    assert listed.target == stage.paths.models
    assert listed.free_bytes > 0
    offer = next(offer for offer in listed.offers if offer.id == SMALL.id)
    assert hub.requests == [], "listing asks no server"
    download(stage, offer.id)
    finished = stage.recorder.wait_for(DownloadFinished)
    folder = stage.paths.models / SMALL.id
    assert SMALL.projector is not None
    assert finished == DownloadFinished(SMALL.id, folder / SMALL.files[0], folder / SMALL.projector.file)
    assert finished.model.read_bytes() == hub.repositories[SMALL.repository].files[SMALL.files[0]]
    loaded = stage.recorder.wait_for(ModelLoaded)
    assert (loaded.path, loaded.projector, loaded.sees_pictures) == (finished.model, finished.projector, True)
    assert stage.ask("hello").text == "You said: hello "
    progress = stage.recorder.of(DownloadProgressed)
    total = sum(len(content) for content in hub.repositories[SMALL.repository].files.values())
    assert {event.total_bytes for event in progress} == {total}
    assert progress[-1].done_bytes == total
    assert {event.offer_id for event in progress} == {SMALL.id}
    assert stage.recorder.of(DownloadFailed, DownloadStopped, BugFound) == []


def test_a_split_model_with_a_projector_from_elsewhere(
    hub: HubServer, make_stage: MakeStage, split_model: Path, tmp_path: Path
) -> None:
    parts = sorted(split_model.parent.glob("*.gguf"))
    stem = SPLIT.files[0].split("0000?")[0]
    names = [f"{stem}{number:05}-of-{len(parts):05}.gguf" for number in range(1, len(parts) + 1)]
    served = {name: part.read_bytes() for name, part in zip(names, parts, strict=True)}
    hub.repositories[SPLIT.repository] = Repository(served)
    assert SPLIT.projector is not None
    projector = small_projector(embedding_length=256).write(tmp_path / "elsewhere.gguf")
    hub.repositories[SPLIT.projector.repository] = Repository({SPLIT.projector.file: projector.read_bytes()})
    stage = make_stage()
    download(stage, SPLIT.id)
    finished = stage.recorder.wait_for(DownloadFinished)
    assert finished.model.name == Path(names[0]).name
    assert finished.projector is not None
    assert finished.projector.name == SPLIT.projector.file
    assert stage.recorder.wait_for(ModelLoaded).path == finished.model


def test_a_download_is_paused_and_goes_on(hub: HubServer, make_stage: MakeStage) -> None:
    hub.script.add(SOUND, Fault(Kind.HANG, at=1000))
    stage = make_stage()
    download(stage)
    stage.recorder.wait_for(DownloadProgressed, lambda event: event.file == SMALL.files[0] and event.done_bytes > 0)
    stage.service.library.stop_download()
    assert stage.recorder.wait_for(DownloadStopped).offer_id == SMALL.id
    download(stage)
    finished = stage.recorder.wait_for(DownloadFinished)
    assert finished.model.is_file()
    assert SMALL.projector is not None
    again = [request for request in hub.asked(Where.BYTES) if request.path.endswith(SMALL.projector.file)]
    assert len(again) == 1, "what was there is not fetched again"
    stage.recorder.wait_for(ModelLoaded)
    assert stage.recorder.of(Refused, DownloadFailed) == []


def test_what_is_here_is_told_with_the_offers(hub: HubServer, make_stage: MakeStage) -> None:
    stage = make_stage()
    hub.script.add(Fault(Kind.DRIP, at=4096, seconds=0.05, times=-1))
    download(stage)
    until(lambda: list((stage.paths.models / SMALL.id).glob("*.part")))  # of the projector, which comes first
    stage.service.library.stop_download()
    stage.recorder.wait_for(DownloadStopped)
    stage.service.library.list_offers()
    stage.recorder.wait_for(OffersListed)
    assert stage.recorder.wait_for(DownloadStopped) == DownloadStopped(SMALL.id)
    hub.script.clear()
    download(stage)
    finished = stage.recorder.wait_for(DownloadFinished)
    stage.recorder.wait_for(ModelLoaded)
    stage.service.library.list_offers()
    stage.recorder.wait_for(OffersListed)
    assert stage.recorder.wait_for(DownloadFinished) == finished
    stage.service.library.list_offers(stage.paths.data)
    stage.recorder.wait_for(OffersListed)
    assert len(stage.recorder.of(ModelLoaded)) == 1, "what was here already is not opened"


def test_a_second_download_meanwhile_is_refused(hub: HubServer, make_stage: MakeStage) -> None:
    hub.script.add(Fault(Kind.HANG))
    stage = make_stage()
    download(stage)
    download(stage, SPLIT.id)
    assert "Another download" in stage.recorder.wait_for(Refused).sentence
    stage.service.library.stop_download()
    assert stage.recorder.wait_for(DownloadStopped).offer_id == SMALL.id
    assert not (stage.paths.models / SPLIT.id).exists()


@pytest.mark.parametrize("status", [401, 404])
def test_a_download_that_fails_says_why_and_can_be_tried_again(
    hub: HubServer, make_stage: MakeStage, status: int
) -> None:
    hub.script.add(Fault(Kind.STATUS, Where.API, status=status))
    stage = make_stage()
    download(stage)
    failed = stage.recorder.wait_for(DownloadFailed)
    assert failed.offer_id == SMALL.id
    assert SMALL.repository in failed.sentence
    download(stage)
    stage.recorder.wait_for(ModelLoaded)


def test_without_a_network_the_sentence_says_so(hub: HubServer, make_stage: MakeStage) -> None:
    hub.close()
    stage = make_stage()
    download(stage)
    assert "can't be reached" in stage.recorder.wait_for(DownloadFailed).sentence
    assert stage.recorder.of(BugFound) == []


def test_a_folder_that_can_not_be_written_is_a_sentence(hub: HubServer, make_stage: MakeStage) -> None:
    stage = make_stage()
    (stage.paths.models / SMALL.id).touch()
    download(stage)
    assert str(stage.paths.models) in stage.recorder.wait_for(DownloadFailed).sentence


def test_what_arrives_may_be_no_model(hub: HubServer, make_stage: MakeStage) -> None:
    hub.repositories[SMALL.repository].files[SMALL.files[0]] = b"<html>Please log in</html>"
    stage = make_stage()
    download(stage)
    finished = stage.recorder.wait_for(DownloadFinished)
    assert stage.recorder.wait_for(ModelLoadFailed).path == finished.model
    assert stage.recorder.of(BugFound) == []


def test_cancelling_may_delete_what_arrived(hub: HubServer, tmp_path: Path) -> None:
    published: list[Event] = []
    desk = DownloadDesk(published.append, lambda: Settings(download_limit_kib=1), Machine())
    folder = tmp_path / "any"
    names = (SMALL.files[0],)
    desk.download_listed("any", SMALL.repository, "main", names, folder, lambda *_: None)
    until(lambda: list(folder.glob("*.part")))
    desk.discard("any", folder)
    until(lambda: any(isinstance(event, DownloadDiscarded) for event in published))
    assert DownloadStopped("any") in published
    assert not list(folder.glob("*.part*"))
    desk.download_listed("any", SMALL.repository, "main", ("gone.gguf",), folder, lambda *_: None)
    until(lambda: any(isinstance(event, DownloadFailed) and "gone.gguf" in event.sentence for event in published))
    desk.close()


def test_quitting_pauses_the_download(hub: HubServer, make_stage: MakeStage) -> None:
    hub.script.add(SOUND, Fault(Kind.HANG, at=1000))
    stage = make_stage()
    download(stage)
    stage.recorder.wait_for(DownloadProgressed, lambda event: event.file == SMALL.files[0])
    stage.service.close()
    stage.recorder.wait_for(DownloadStopped)
    again = make_stage()
    download(again)
    again.recorder.wait_for(ModelLoaded)


def test_an_unknown_offer_is_a_bug_of_the_caller(make_stage: MakeStage) -> None:
    stage = make_stage()
    with pytest.raises(ValueError, match="no such offer"):
        download(stage, "no such offer")


def test_offers_for_a_folder_that_does_not_exist_yet_and_for_one_that_can_not(make_stage: MakeStage) -> None:
    stage = make_stage()
    later = stage.root / "not" / "yet"
    stage.service.library.list_offers(later)
    listed = stage.recorder.wait_for(OffersListed)
    assert listed.target == later
    assert listed.free_bytes == pytest.approx(
        os.statvfs(stage.root).f_bavail * os.statvfs(stage.root).f_frsize, rel=0.1
    )
    too_long = stage.root / ("x" * 300)
    stage.service.library.list_offers(too_long)
    assert "can’t be used" in stage.recorder.wait_for(Refused).sentence
