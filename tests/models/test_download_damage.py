"""What the disk did to an unfinished download is found, and names and links can't lead out of the folder."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from huggingface_hub import close_session

from app.core.errors import DownloadError, DownloadInterrupted
from app.models.download_part import map_path, part_path
from tests.hub_server.bench import CHUNK, Bench, content_of
from tests.hub_server.faults import Fault, Kind
from tests.hub_server.server import HubServer

SIZE = 24 * CHUNK + 77
CONTENT = content_of(SIZE)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with HubServer() as server:
        yield Bench(server, tmp_path / "models", {"sub/model.gguf": CONTENT})
        close_session()


def model(bench: Bench) -> Path:
    return bench.target / "model.gguf"


class TestDamageOnDisk:
    @pytest.fixture
    def half(self, bench: Bench) -> Bench:
        bench.tuning = replace(bench.tuning, connections=1, span_chunks=1)
        bench.break_with(Fault(Kind.NONE, times=7), Fault(Kind.CUT, at=0, times=-1))
        with pytest.raises(DownloadInterrupted):
            bench.download()
        bench.server.script.clear()
        return bench

    def resume(self, bench: Bench) -> int:
        before = bench.server.sent_bytes
        bench.download()
        assert model(bench).read_bytes() == CONTENT
        assert bench.seen[-1].done_bytes == SIZE
        return bench.server.sent_bytes - before

    def test_only_the_damaged_chunk_is_fetched_again(self, half: Bench) -> None:
        with part_path(model(half)).open("r+b") as stream:
            stream.seek(3 * CHUNK + 5)
            stream.write(b"rot")
        assert self.resume(half) == SIZE - 7 * CHUNK + CHUNK
        assert any("damaged on the disk" in progress.note for progress in half.seen)

    def test_a_part_that_was_cut_short_loses_only_what_is_gone(self, half: Bench) -> None:
        os.truncate(part_path(model(half)), 5 * CHUNK + 1)
        assert self.resume(half) == SIZE - 5 * CHUNK

    def test_without_its_map_a_part_starts_over(self, half: Bench) -> None:
        map_path(model(half)).unlink()
        assert self.resume(half) == SIZE

    @pytest.mark.parametrize(
        "content",
        [b"", b"\x00" * 500, b"[]", b'{"file": {}}', b'{"file": 3, "chunk_bytes": 0, "chunks": {}}'],
    )
    def test_with_a_damaged_map_a_part_starts_over(self, half: Bench, content: bytes) -> None:
        map_path(model(half)).write_bytes(content)
        assert self.resume(half) == SIZE

    def test_a_map_that_claims_impossible_chunks_is_not_believed(self, half: Bench) -> None:
        first, rest = map_path(model(half)).read_text().split("\n", 1)
        raw = json.loads(first)
        raw["chunks"] |= {"-1": "0" * 64, "9999": "0" * 64, "8": "not a digest"}
        raw["begun"] |= {"9": {"length": CHUNK, "sha256": "0" * 64}, "10": {"length": 5, "sha256": "0" * 64}}
        lines = f"9999 5 {'0' * 64}\n11 {CHUNK + 1} {'0' * 64}\n12 {CHUNK} {'0' * 64}\n13 5 abc\nsynced x\n14 7"
        map_path(model(half)).write_text(json.dumps(raw) + "\n" + rest + lines)
        assert self.resume(half) == SIZE - 7 * CHUNK

    def test_a_map_with_a_chunk_too_large_for_the_memory_is_not_believed(self, half: Bench) -> None:
        first, rest = map_path(model(half)).read_text().split("\n", 1)
        map_path(model(half)).write_text(json.dumps(json.loads(first) | {"chunk_bytes": 1 << 40}) + "\n" + rest)
        assert self.resume(half) == SIZE

    def test_a_part_from_a_program_with_other_chunks_goes_on(self, half: Bench) -> None:
        half.tuning = replace(half.tuning, chunk_bytes=3 * CHUNK)
        assert self.resume(half) == SIZE - 7 * CHUNK


def test_a_folder_that_is_a_file_is_told(bench: Bench) -> None:
    bench.target.write_bytes(b"")
    with pytest.raises(DownloadError, match="can't be written"):
        bench.download()


@pytest.mark.skipif(os.name == "nt", reason="links need a privilege on Windows")
def test_a_link_in_place_of_the_part_is_not_followed(bench: Bench, tmp_path: Path) -> None:
    bench.target.mkdir()
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    part_path(model(bench)).symlink_to(victim)
    with pytest.raises(DownloadError, match="can't be written"):
        bench.download()
    assert victim.read_bytes() == b"precious"


@pytest.mark.parametrize("name", ["../x.gguf", "/x.gguf", "a/../x.gguf", "con.gguf", "a\\x.gguf"])
def test_names_that_leave_the_folder_are_never_written(bench: Bench, name: str) -> None:
    with pytest.raises(ValueError, match="safe"):
        bench.download((replace(bench.listed()[0], name=name),))
    assert not bench.target.exists()


def test_two_files_of_one_name_are_never_mixed(bench: Bench) -> None:
    file = bench.listed()[0]
    with pytest.raises(ValueError, match="differ"):
        bench.download((file, replace(file, name="other/MODEL.gguf")))
