"""What the service does for the models of this computer: real files, a real server, a real engine process."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub import close_session

from app.core.events import BugFound, DownloadFinished, DownloadProgressed, DownloadStopped, ModelLoaded, Refused
from app.core.library import (
    CheckEnded,
    CheckProgressed,
    ConnectionsListed,
    LibraryListed,
    RepositoryListed,
    RepositoryRefused,
    StoredModel,
    StoredModelDeleted,
    StoredModelDescribed,
    StoredState,
)
from app.models.connections import ConnectionLog
from tests.chat.conftest import MakeStage
from tests.chat.stage import Stage
from tests.chat.test_chat_downloads import use_hub
from tests.hub_server.faults import Fault, Kind
from tests.hub_server.server import HubServer, Repository
from tests.models.gguf_builder import Gguf, small_metadata, small_projector, small_tensors

REPOSITORY = "maker/tiny-GGUF"
N_LAYERS = 20


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    model = Gguf(small_metadata(block_count=N_LAYERS), small_tensors(N_LAYERS)).write(tmp_path / "served.gguf")
    projector = small_projector().write(tmp_path / "served-mmproj.gguf")
    with HubServer() as server:
        use_hub(server.endpoint, monkeypatch)
        server.repositories[REPOSITORY] = Repository(
            {"tiny-Q4_K_M.gguf": model.read_bytes(), "mmproj-F16.gguf": projector.read_bytes()}
        )
        yield server
        close_session()


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of the test's own, in which other programs can be laid out."""
    home = tmp_path / "home"
    for name in ("HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.setenv(name, str(home / {"HOME": ""}.get(name, name)))
    return home


def bring(stage: Stage) -> DownloadFinished:
    """Look a repository up and download its only model with its projector."""
    stage.service.library.look_up(REPOSITORY)
    listed = stage.recorder.wait_for(RepositoryListed)
    (offer,) = listed.offers
    stage.service.library.download_listed(offer, listed.projectors[0], stage.paths.models)
    finished = stage.recorder.wait_for(DownloadFinished)
    assert finished.offer_id == offer.id
    return finished


def library(stage: Stage) -> tuple[StoredModel, ...]:
    stage.service.library.list_models(stage.paths.models)
    return stage.recorder.wait_for(LibraryListed).models


def only(stage: Stage) -> StoredModel:
    (model,) = library(stage)
    return model


def test_any_repository_is_looked_up_downloaded_opened_and_listed(
    hub: HubServer, make_stage: MakeStage, home: Path
) -> None:
    stage = make_stage()
    finished = bring(stage)
    assert finished.model == stage.paths.models / "maker" / "tiny-GGUF" / "tiny-Q4_K_M.gguf"
    loaded = stage.recorder.wait_for(ModelLoaded)
    assert (loaded.path, loaded.projector) == (finished.model, finished.projector)
    model = only(stage)
    assert (model.state, model.verified, model.program) == (StoredState.COMPLETE, True, "")
    assert model.last_used is not None
    assert stage.recorder.of(BugFound, Refused) == []


@pytest.mark.parametrize("text", ["no name", "maker/unknown"])
def test_a_repository_that_is_none_is_refused_where_it_was_asked(
    hub: HubServer, make_stage: MakeStage, text: str
) -> None:
    stage = make_stage()
    stage.service.library.look_up(text)
    refused = stage.recorder.wait_for(RepositoryRefused)
    assert refused.repository == text
    assert text in refused.sentence


def test_a_model_says_what_its_file_holds_and_what_is_corrected(make_stage: MakeStage, home: Path) -> None:
    stage = make_stage()
    metadata = small_metadata("mistral4", expert_count=8, expert_used_count=2)
    Gguf(metadata, small_tensors(2)).write(stage.paths.models / "m.gguf")
    stage.service.library.describe(only(stage))
    details = dict(stage.recorder.wait_for(StoredModelDescribed).details)
    assert details["Family"] == "mistral4"
    assert details["Prompt format"] == "the program’s own, token by token"
    assert "8192 tokens" in details["Correction in force"]
    assert details["Attention scale"] == "as the file says"
    assert details["Context"] == "made for 8,192 tokens"


def test_an_interrupted_download_goes_on_from_the_library_after_a_restart(
    hub: HubServer, make_stage: MakeStage, home: Path
) -> None:
    hub.script.add(Fault(Kind.CUT, at=1 << 40), Fault(Kind.HANG, at=1000, times=-1))
    stage = make_stage()
    stage.service.library.look_up(REPOSITORY)
    listed = stage.recorder.wait_for(RepositoryListed)
    stage.service.library.download_listed(listed.offers[0], listed.projectors[0], stage.paths.models)
    stage.recorder.wait_for(DownloadProgressed, lambda event: event.file == "tiny-Q4_K_M.gguf")
    stage.service.close()
    stage.recorder.wait_for(DownloadStopped)
    hub.script.clear()
    again = make_stage()
    model = only(again)
    assert model.state is StoredState.PARTIAL
    again.service.library.resume(model)
    finished = again.recorder.wait_for(DownloadFinished)
    assert finished.offer_id == listed.offers[0].id
    assert finished.projector is not None
    again.recorder.wait_for(ModelLoaded)


def test_damage_is_found_and_only_that_is_fetched_again(hub: HubServer, make_stage: MakeStage, home: Path) -> None:
    stage = make_stage()
    finished = bring(stage)
    stage.service.library.check(finished.model)
    assert stage.recorder.wait_for(CheckEnded).whole is True
    content = bytearray(finished.model.read_bytes())
    content[-1] ^= 1
    finished.model.write_bytes(content)
    stage.service.library.check(finished.model)
    ending = stage.recorder.wait_for(CheckEnded)
    assert (ending.whole, ending.damaged_bytes > 0) == (False, True)
    assert "damaged" in ending.sentence
    stage.service.library.check(finished.model, repair=True)
    repaired = stage.recorder.wait_for(CheckEnded)
    assert repaired.whole is True, repaired.sentence
    assert finished.model.read_bytes() == hub.repositories[REPOSITORY].files["tiny-Q4_K_M.gguf"]
    assert stage.recorder.of(CheckProgressed) != []


def test_deleting_frees_bytes_but_never_the_model_in_use(hub: HubServer, make_stage: MakeStage, home: Path) -> None:
    stage = make_stage()
    finished = bring(stage)
    stage.recorder.wait_for(ModelLoaded)
    model = only(stage)
    stage.service.library.delete(model)
    assert "is in use" in stage.recorder.wait_for(Refused).sentence
    stage.load()
    stage.service.library.delete(model)
    deleted = stage.recorder.wait_for(StoredModelDeleted)
    assert deleted.freed_bytes == model.deletable_bytes > 100_000
    assert not finished.model.exists()


def ollama_model(home: Path, content: bytes, digest: str) -> Path:
    store = home / ".ollama" / "models"
    blob = store / "blobs" / f"sha256-{digest}"
    blob.parent.mkdir(parents=True)
    blob.write_bytes(content)
    layers = [{"mediaType": "application/vnd.ollama.image.model", "digest": f"sha256:{digest}", "size": len(content)}]
    manifest = store / "manifests" / "r" / "library" / "tiny" / "latest"
    manifest.parent.mkdir(parents=True)
    manifest.write_text(json.dumps({"layers": layers}), encoding="utf-8")
    return blob


def test_a_model_of_another_program_is_verified_once_and_used_in_place(
    make_stage: MakeStage, home: Path, tmp_path: Path
) -> None:
    content = Gguf(small_metadata(), small_tensors(2)).write(tmp_path / "t.gguf").read_bytes()
    blob = ollama_model(home, content, hashlib.sha256(content).hexdigest())
    stage = make_stage()
    model = only(stage)
    assert (model.name, model.program, model.verified) == ("tiny:latest", "Ollama", False)
    stage.service.library.use(model)
    assert stage.recorder.wait_for(CheckEnded).whole is True
    assert stage.recorder.wait_for(ModelLoaded).path == blob
    again = only(stage)
    assert again.verified
    stage.service.library.use(again)
    stage.recorder.wait_for(ModelLoaded)
    assert len(stage.recorder.of(CheckEnded)) == 1, "what was found whole is not read again"
    assert sorted(path.name for path in blob.parent.iterdir()) == [blob.name], "nothing is written there"


def test_a_damaged_model_of_another_program_is_not_opened(make_stage: MakeStage, home: Path) -> None:
    ollama_model(home, b"GGUF, but not that one", "0" * 64)
    stage = make_stage()
    stage.service.library.use(only(stage))
    ending = stage.recorder.wait_for(CheckEnded)
    assert (ending.whole, ending.damaged_bytes) == (False, 22)
    assert stage.recorder.of(ModelLoaded) == []


def test_connections_are_listed_newest_first(make_stage: MakeStage) -> None:
    stage = make_stage()
    stage.service.library.list_connections()
    assert stage.recorder.wait_for(ConnectionsListed) == ConnectionsListed(())
    log = ConnectionLog(stage.paths.data)
    log.end(log.begin("GET", "https://hub.example/api/models/a/b?token=secret"), 200, 1234)
    log.begin("HEAD", "https://hub.example/a/b/resolve/main/m.gguf")
    stage.service.library.list_connections()
    newest, oldest = stage.recorder.wait_for(ConnectionsListed).connections
    assert (newest.asked, newest.ending) == ("HEAD /a/b/resolve/main/m.gguf", "did not end in order")
    assert (oldest.host, oldest.ending, oldest.n_bytes) == ("hub.example:443", "answer 200", 1234)
    assert "secret" not in oldest.asked
