"""What the disk damages later is found to the chunk, and only that is fetched again."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from huggingface_hub import close_session

from app.core.errors import Cancelled, DownloadInterrupted, ModelError, ModelFileMissing
from app.models.download_record import Record, map_path, part_path, read_record, record_path, write_record
from app.models.download_verify import Damage, check_file, repair_file, verify_against
from tests.hub_server.bench import CHUNK, Bench, content_of
from tests.hub_server.faults import Fault, Kind
from tests.hub_server.server import HubServer

SIZE = 10 * CHUNK + 77
CONTENT = content_of(SIZE)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with HubServer() as server:
        found = Bench(server, tmp_path / "models", {"model.gguf": CONTENT})
        found.download()
        yield found
        close_session()


def model(bench: Bench) -> Path:
    return bench.target / "model.gguf"


def rot(bench: Bench, *places: int) -> None:
    with model(bench).open("r+b") as stream:
        for place in places:
            stream.seek(place)
            stream.write(bytes([CONTENT[place] ^ 1]))


def check(path: Path, cancel: threading.Event | None = None) -> tuple[tuple[Damage, ...], int]:
    counted: list[int] = []
    found = check_file(path, on_bytes=counted.append, cancel=cancel or threading.Event())
    return found, sum(counted)


def repair(bench: Bench) -> int:
    return repair_file(
        model(bench), on_progress=bench.seen.append, cancel=bench.cancel, hub=bench.hub, tuning=bench.tuning
    )


def test_a_whole_file_is_whole(bench: Bench) -> None:
    assert check(model(bench)) == ((), SIZE)
    before = len(bench.server.requests)
    assert repair(bench) == 0
    assert len(bench.server.requests) == before, "nothing is asked of any server"


def test_damage_is_found_to_the_chunk_and_only_that_is_fetched_again(bench: Bench) -> None:
    rot(bench, 2 * CHUNK, 3 * CHUNK + 9, SIZE - 1)
    assert check(model(bench))[0] == (Damage(2 * CHUNK, 4 * CHUNK), Damage(10 * CHUNK, SIZE))
    before = bench.server.sent_bytes
    assert repair(bench) == 2 * CHUNK + 77
    assert bench.server.sent_bytes - before == 2 * CHUNK + 77
    assert model(bench).read_bytes() == CONTENT
    assert check(model(bench)) == ((), SIZE)
    assert not part_path(model(bench)).exists()
    assert bench.seen[-1].done_bytes == bench.seen[-1].total_bytes == SIZE


@pytest.mark.parametrize("size", [0, 4 * CHUNK + 3, SIZE + 1000])
def test_a_file_of_another_length_is_mended(bench: Bench, size: int) -> None:
    os.truncate(model(bench), size)
    assert check(model(bench))[0]
    fetched = repair(bench)
    assert fetched == (SIZE - size // CHUNK * CHUNK if size < SIZE else 0)
    assert model(bench).read_bytes() == CONTENT


def test_a_repair_that_breaks_off_goes_on_as_a_download(bench: Bench) -> None:
    rot(bench, 0, 5 * CHUNK)
    bench.break_with(Fault(Kind.NONE), Fault(Kind.CUT, at=0, times=-1))
    with pytest.raises(DownloadInterrupted):
        repair(bench)
    assert not model(bench).exists(), "nothing unverified has the final name"
    bench.server.script.clear()
    assert repair(bench) == CHUNK
    assert model(bench).read_bytes() == CONTENT


def test_when_the_server_has_another_version_the_file_is_left_alone(bench: Bench) -> None:
    rot(bench, 7)
    damaged = model(bench).read_bytes()
    bench.repository.files["model.gguf"] = content_of(SIZE, seed=2)
    with pytest.raises(DownloadInterrupted, match="has changed on the server"):
        repair(bench)
    assert model(bench).read_bytes() == damaged


def test_a_file_whose_chunks_are_not_known_is_compared_as_a_whole_and_then_they_are(bench: Bench) -> None:
    record = read_record(record_path(model(bench)))
    assert record is not None
    write_record(record_path(model(bench)), replace(record, chunks={}))
    assert check(model(bench)) == ((), SIZE)
    assert read_record(record_path(model(bench))) == record
    write_record(record_path(model(bench)), replace(record, chunks={}))
    rot(bench, 3)
    assert check(model(bench))[0] == (Damage(0, SIZE),)
    repair(bench)
    assert model(bench).read_bytes() == CONTENT


def test_files_of_unknown_origin_and_missing_ones_are_told(bench: Bench, tmp_path: Path) -> None:
    other = tmp_path / "other.gguf"
    other.write_bytes(CONTENT)
    with pytest.raises(ModelError, match="not downloaded by this program"):
        check(other)
    model(bench).unlink()
    with pytest.raises(ModelFileMissing, match="can't be read"):
        check(model(bench))


def test_a_file_from_elsewhere_is_compared_in_place(bench: Bench, tmp_path: Path) -> None:
    other = tmp_path / "other.gguf"
    other.write_bytes(CONTENT)
    (file,) = bench.listed()
    assert verify_against(file, other, on_bytes=lambda _: None, cancel=threading.Event())
    other.write_bytes(CONTENT[:-1] + b"?")
    assert not verify_against(file, other, on_bytes=lambda _: None, cancel=threading.Event())
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["other.gguf"]


def test_a_check_can_be_stopped(bench: Bench) -> None:
    cancel = threading.Event()
    cancel.set()
    with pytest.raises(Cancelled):
        check(model(bench), cancel)


class TestTheMapOfAPart:
    def record_of(self, path: Path, lines: str) -> Record:
        sound = "a" * 64
        write_record(map_path(path), Record(self.file, 100, {0: sound}))
        with map_path(path).open("a") as stream:
            stream.write(lines)
        found = read_record(map_path(path))
        assert found is not None
        return found

    @pytest.fixture(autouse=True)
    def _file(self, bench: Bench) -> None:
        self.file = replace(bench.listed()[0], size=450)

    def test_lines_behind_it_add_up_and_a_torn_one_is_none(self, tmp_path: Path) -> None:
        b, c = "b" * 64, "c" * 64
        found = self.record_of(tmp_path / "x", f"1 40 {b}\nsynced 1\n1 100 {c}\n4 50 {b}\n2 60 {c}\n3 100 {b[:-1]}")
        assert found.chunks == {0: "a" * 64, 1: c, 4: b}
        assert {n: (begun.length, begun.sha256) for n, begun in found.begun.items()} == {2: (60, c)}
        assert found.done_bytes == 100 + 100 + 50 + 60
        assert found.unsynced == {1, 2, 4}
        assert found.safe[1].length == 40

    def test_what_a_power_cut_took_is_not_believed(self, bench: Bench) -> None:
        # The file system kept the map's lines, but not all of the bytes that they speak of.
        bench.tuning = replace(bench.tuning, connections=1, span_chunks=1)
        model(bench).unlink()
        bench.break_with(Fault(Kind.NONE, times=4), Fault(Kind.CUT, at=0, times=-1))
        with pytest.raises(DownloadInterrupted):
            bench.download()
        bench.server.script.clear()
        lines = [line for line in map_path(model(bench)).read_text().splitlines() if "synced" not in line]
        map_path(model(bench)).write_text("\n".join(lines) + "\n")
        with part_path(model(bench)).open("r+b") as stream:
            stream.seek(2 * CHUNK)
            stream.write(bytes(CHUNK))
        before = bench.server.sent_bytes
        bench.download()
        assert model(bench).read_bytes() == CONTENT
        assert bench.server.sent_bytes - before == SIZE - 3 * CHUNK
        assert not any("damaged" in progress.note for progress in bench.seen)
