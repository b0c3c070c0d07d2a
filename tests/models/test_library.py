"""The library tells whole, unfinished and damaged models apart."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from app.core.library import StoredState
from app.models.download_part import PartFile, Record, record_path, write_record
from app.models.elsewhere import Surroundings
from app.models.hub import RemoteFile
from app.models.ledger import Ledger
from app.models.library import bytes_freed, delete_model, list_library, list_models, origin_of

CONTENT = b"GGUF" + bytes(range(200))


def remote(name: str, content: bytes = CONTENT) -> RemoteFile:
    return RemoteFile("maker/model", "main", name, len(content), hashlib.sha256(content).hexdigest())


def store(path: Path, content: bytes = CONTENT, *, recorded: bool = True) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    if recorded:
        write_record(record_path(path), Record(remote(path.name), 100, {}))
    return path


def test_an_empty_or_missing_folder_has_no_models(tmp_path: Path) -> None:
    assert list_models(tmp_path) == ()
    assert list_models(tmp_path / "nowhere") == ()


def test_models_are_found_in_folders_and_projectors_are_none(tmp_path: Path) -> None:
    store(tmp_path / "b" / "Zeta.gguf")
    store(tmp_path / "alpha.gguf", recorded=False)
    store(tmp_path / "b" / "mmproj-F16.gguf")
    store(tmp_path / ".trash" / "old.gguf")
    store(tmp_path / "notes.txt")
    found = list_models(tmp_path)
    assert [(model.name, model.state, model.verified) for model in found] == [
        ("alpha", StoredState.COMPLETE, False),
        ("Zeta", StoredState.COMPLETE, True),
    ]
    assert found[1].done_bytes == found[1].total_bytes == len(CONTENT)


def test_the_parts_of_a_model_are_one(tmp_path: Path) -> None:
    for number in (1, 2, 3):
        store(tmp_path / f"big-0000{number}-of-00003.gguf")
    (model,) = list_models(tmp_path)
    assert model.path == tmp_path / "big-00001-of-00003.gguf"
    assert model.state is StoredState.COMPLETE
    assert model.total_bytes == 3 * len(CONTENT)


def test_a_missing_part_makes_a_model_partial(tmp_path: Path) -> None:
    store(tmp_path / "big-00002-of-00003.gguf")
    (model,) = list_models(tmp_path)
    assert (model.state, model.done_bytes) == (StoredState.PARTIAL, len(CONTENT))
    assert model.path.name == "big-00001-of-00003.gguf"


def test_an_unfinished_download_is_partial_with_its_bytes(tmp_path: Path) -> None:
    part = PartFile(remote("m.gguf"), tmp_path / "m.gguf", 100)
    part.append(0, 0, CONTENT[:100])
    part.close()
    (model,) = list_models(tmp_path)
    assert (model.state, model.done_bytes, model.total_bytes) == (StoredState.PARTIAL, 100, len(CONTENT))


@pytest.mark.parametrize("content", [b"", CONTENT[:-1], b"GGML" + CONTENT[4:], bytes(len(CONTENT))])
def test_wrong_sizes_and_beginnings_are_damage(tmp_path: Path, content: bytes) -> None:
    store(tmp_path / "m.gguf", content)
    assert [model.state for model in list_models(tmp_path)] == [StoredState.DAMAGED]


def test_a_name_with_absurd_numbers_does_not_hurt(tmp_path: Path) -> None:
    store(tmp_path / "m-00001-of-99999.gguf", recorded=False)
    store(tmp_path / "n-00007-of-00000.gguf", recorded=False)
    assert len(list_models(tmp_path)) == 2


# --- with other programs ------------------------------------------------------------------------


def test_the_library_lists_own_models_then_those_of_other_programs(tmp_path: Path) -> None:
    own = store(tmp_path / "models" / "own.gguf")
    foreign = store(tmp_path / ".lmstudio/models/maker/m/foreign.gguf", recorded=False)
    ledger = Ledger(tmp_path / "library.json")
    ledger.note_use(own)
    ledger.note_whole(foreign)
    first, second = list_library(tmp_path / "models", ledger, Surroundings(tmp_path, {}, "linux"))
    assert (first.path, first.program, first.checksum_known) == (own, "", True)
    assert first.last_used is not None
    assert (second.path, second.program, second.verified, second.checksum_known) == (foreign, "LM Studio", True, False)
    assert second.last_used is None


def test_a_models_folder_inside_of_another_program_s_is_listed_once(tmp_path: Path) -> None:
    folder = tmp_path / ".lmstudio/models"
    store(folder / "maker/m/m.gguf", recorded=False)
    (model,) = list_library(folder, Ledger(tmp_path / "l.json"), Surroundings(tmp_path, {}, "linux"))
    assert model.program == ""


# --- deleting -----------------------------------------------------------------------------------


def test_deleting_frees_what_was_said_and_takes_the_downloaded_projector_along(tmp_path: Path) -> None:
    parts = [store(tmp_path / f"big-0000{number}-of-00002.gguf") for number in (1, 2)]
    store(tmp_path / "mmproj-F16.gguf")
    (tmp_path / "notes.txt").write_text("mine", encoding="utf-8")
    on_disk = sum(path.stat().st_size for path in tmp_path.iterdir() if path.name != "notes.txt")
    (model,) = list_models(tmp_path)
    assert model.files == tuple(parts)
    assert bytes_freed(model) == on_disk
    assert delete_model(model) == on_disk
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_deleting_leaves_other_models_their_projector_and_a_person_s_own_one(tmp_path: Path) -> None:
    store(tmp_path / "a" / "one.gguf")
    store(tmp_path / "a" / "two.gguf")
    store(tmp_path / "a" / "mmproj-F16.gguf")
    store(tmp_path / "b" / "three.gguf")
    store(tmp_path / "b" / "mmproj-mine.gguf", recorded=False)
    for model in list_models(tmp_path):
        if model.name != "two":
            delete_model(model)
    left = sorted(path.name for path in tmp_path.rglob("*.gguf"))
    assert left == ["mmproj-F16.gguf", "mmproj-mine.gguf", "two.gguf"]


def test_deleting_an_unfinished_download_takes_its_part(tmp_path: Path) -> None:
    part = PartFile(remote("m.gguf"), tmp_path / "m.gguf", 100)
    part.append(0, 0, CONTENT[:100])
    part.close()
    (model,) = list_models(tmp_path)
    assert delete_model(model) > 100
    assert list_models(tmp_path) == ()
    assert not list(tmp_path.glob("m.*"))


def test_deleting_a_link_frees_nothing_and_leaves_what_it_leads_to(tmp_path: Path) -> None:
    target = store(tmp_path / "far" / "m.gguf", recorded=False)
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "m.gguf").symlink_to(target)
    (model,) = list_models(tmp_path / "models")
    assert bytes_freed(model) == delete_model(model) == 0
    assert target.is_file()
    assert list_models(tmp_path / "models") == ()


def test_a_file_of_another_program_is_never_deleted(tmp_path: Path) -> None:
    path = store(tmp_path / ".lmstudio/models/maker/m/m.gguf", recorded=False)
    (model,) = list_library(tmp_path / "none", Ledger(tmp_path / "l.json"), Surroundings(tmp_path, {}, "linux"))
    assert bytes_freed(model) == 0
    with pytest.raises(ValueError, match="LM Studio"):
        delete_model(model)
    assert path.is_file()


# --- going on -----------------------------------------------------------------------------------


def test_an_unfinished_model_knows_where_it_came_from(tmp_path: Path) -> None:
    part = PartFile(remote("Q4/big-00001-of-00002.gguf"), tmp_path / "big-00001-of-00002.gguf", 100)
    part.append(0, 0, CONTENT[:100])
    part.close()
    store(tmp_path / "mmproj-F16.gguf")
    (model,) = list_models(tmp_path)
    origin = origin_of(model)
    assert origin is not None
    assert (origin.repository, origin.revision) == ("maker/model", "main")
    assert origin.names == ("Q4/big-00001-of-00002.gguf", "Q4/big-00002-of-00002.gguf", "mmproj-F16.gguf")
    store(tmp_path / "other" / "m.gguf", recorded=False)
    (other,) = list_models(tmp_path / "other")
    assert origin_of(other) is None
