"""The library tells whole, unfinished and damaged models apart."""

from __future__ import annotations

import hashlib
import threading
from pathlib import Path

import pytest

from app.core.errors import Cancelled, ModelError, ModelFileDamaged, ModelFileMissing
from app.models.download_part import PartFile, Record, record_path, write_record
from app.models.hub import RemoteFile
from app.models.library import State, list_models, verify_file

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
        ("alpha", State.COMPLETE, False),
        ("Zeta", State.COMPLETE, True),
    ]
    assert found[1].done_bytes == found[1].total_bytes == len(CONTENT)


def test_the_parts_of_a_model_are_one(tmp_path: Path) -> None:
    for number in (1, 2, 3):
        store(tmp_path / f"big-0000{number}-of-00003.gguf")
    (model,) = list_models(tmp_path)
    assert model.path == tmp_path / "big-00001-of-00003.gguf"
    assert model.state is State.COMPLETE
    assert model.total_bytes == 3 * len(CONTENT)


def test_a_missing_part_makes_a_model_partial(tmp_path: Path) -> None:
    store(tmp_path / "big-00002-of-00003.gguf")
    (model,) = list_models(tmp_path)
    assert (model.state, model.done_bytes) == (State.PARTIAL, len(CONTENT))
    assert model.path.name == "big-00001-of-00003.gguf"


def test_an_unfinished_download_is_partial_with_its_bytes(tmp_path: Path) -> None:
    part = PartFile(remote("m.gguf"), tmp_path / "m.gguf", 100)
    part.write_chunk(0, CONTENT[:100])
    part.close()
    (model,) = list_models(tmp_path)
    assert (model.state, model.done_bytes, model.total_bytes) == (State.PARTIAL, 100, len(CONTENT))


@pytest.mark.parametrize("content", [b"", CONTENT[:-1], b"GGML" + CONTENT[4:], bytes(len(CONTENT))])
def test_wrong_sizes_and_beginnings_are_damage(tmp_path: Path, content: bytes) -> None:
    store(tmp_path / "m.gguf", content)
    assert [model.state for model in list_models(tmp_path)] == [State.DAMAGED]


def test_a_name_with_absurd_numbers_does_not_hurt(tmp_path: Path) -> None:
    store(tmp_path / "m-00001-of-99999.gguf", recorded=False)
    store(tmp_path / "n-00007-of-00000.gguf", recorded=False)
    assert len(list_models(tmp_path)) == 2


def test_verifying_reads_every_byte(tmp_path: Path) -> None:
    path = store(tmp_path / "m.gguf")
    counts: list[int] = []
    verify_file(path, counts.append, threading.Event())
    assert sum(counts) == len(CONTENT)
    path.write_bytes(CONTENT[:-1] + b"!")
    with pytest.raises(ModelFileDamaged, match="damaged"):
        verify_file(path, counts.append, threading.Event())


def test_verifying_can_be_stopped(tmp_path: Path) -> None:
    stop = threading.Event()
    stop.set()
    with pytest.raises(Cancelled):
        verify_file(store(tmp_path / "m.gguf"), lambda _: None, stop)


def test_verifying_needs_a_record_and_a_file(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="checksum is not known"):
        verify_file(store(tmp_path / "m.gguf", recorded=False), lambda _: None, threading.Event())
    gone = store(tmp_path / "gone.gguf")
    gone.unlink()
    with pytest.raises(ModelFileMissing, match="can't be read"):
        verify_file(gone, lambda _: None, threading.Event())
