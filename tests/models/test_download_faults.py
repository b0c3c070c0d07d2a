"""Whatever the network does, a download ends with the right file or with a sentence and its part kept."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from huggingface_hub import close_session

from app.core.errors import (
    AccessDenied,
    DownloadCorrupted,
    DownloadInterrupted,
    NoNetwork,
    RepositoryMissing,
)
from app.models.download_part import map_path, part_path, read_record
from app.models.download_progress import Progress
from app.models.download_stream import check_address
from tests.hub_server.bench import CHUNK, Bench, content_of
from tests.hub_server.faults import Fault, Kind, Where
from tests.hub_server.server import HubServer

SIZE = 20 * CHUNK + 1234
CONTENT = content_of(SIZE)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with HubServer() as server:
        yield Bench(server, tmp_path / "models", {"model.gguf": CONTENT})
        close_session()


def assert_whole(bench: Bench) -> None:
    assert (bench.target / "model.gguf").read_bytes() == CONTENT
    assert not part_path(bench.target / "model.gguf").exists()
    assert not map_path(bench.target / "model.gguf").exists()


@pytest.mark.parametrize("at", [0, 1, CHUNK, CHUNK + 1, SIZE // 3, SIZE - 1])
def test_a_cut_anywhere_costs_no_byte_twice(bench: Bench, at: int) -> None:
    bench.break_with(Fault(Kind.CUT, at=at))
    bench.download()
    assert_whole(bench)
    assert bench.server.sent_bytes == SIZE


def test_a_cut_after_every_third_goes_on_as_long_as_bytes_come(bench: Bench) -> None:
    bench.break_with(*[Fault(Kind.CUT, at=SIZE // 30) for _ in range(25)])
    bench.download()
    assert_whole(bench)
    assert bench.server.sent_bytes == SIZE


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
@pytest.mark.parametrize("where", [Where.RESOLVE, Where.BYTES])
def test_a_server_in_trouble_is_asked_again(bench: Bench, status: int, where: Where) -> None:
    bench.break_with(Fault(Kind.STATUS, where, status=status, times=3))
    bench.download()
    assert_whole(bench)


def test_every_second_answer_503_is_survived(bench: Bench) -> None:
    for _ in range(6):
        bench.break_with(Fault(Kind.CUT, at=2 * CHUNK), Fault(Kind.STATUS, status=503))
    bench.download()
    assert_whole(bench)


def test_the_wait_that_the_server_asks_for_is_kept(bench: Bench) -> None:
    bench.tuning = replace(bench.tuning, longest_retry_after_s=5)
    bench.break_with(Fault(Kind.STATUS, Where.RESOLVE, status=429, retry_after=1))
    began = time.monotonic()
    bench.download()
    assert time.monotonic() - began >= 1
    assert_whole(bench)


def test_expired_storage_addresses_are_renewed(bench: Bench) -> None:
    bench.tuning = replace(bench.tuning, connections=1)
    bench.break_with(Fault(Kind.CUT, at=CHUNK), Fault(Kind.STATUS, status=403, times=2))
    bench.download()
    assert_whole(bench)
    assert len(bench.server.asked(Where.RESOLVE)) == 4  # the first, and one after each failure


def test_a_server_that_ignores_ranges_still_brings_the_file(bench: Bench) -> None:
    bench.break_with(Fault(Kind.IGNORE_RANGE, times=-1))
    bench.download()
    assert_whole(bench)
    assert len(bench.server.asked(Where.BYTES)) == 1, "plain: one connection, and the whole file at once"


def test_a_server_that_stops_serving_ranges_still_brings_the_rest(bench: Bench) -> None:
    bench.break_with(Fault(Kind.NONE, times=3), Fault(Kind.IGNORE_RANGE, times=-1))
    bench.download()
    assert_whole(bench)


def test_a_server_that_ignores_ranges_and_cuts_is_read_from_the_start_again(bench: Bench) -> None:
    bench.tuning = replace(bench.tuning, connections=1)
    bench.break_with(Fault(Kind.NONE), Fault(Kind.IGNORE_RANGE), Fault(Kind.CUT, at=0), Fault(Kind.IGNORE_RANGE))
    bench.download()
    assert_whole(bench)


@pytest.mark.parametrize("kind", [Kind.WRONG_LENGTH, Kind.WRONG_RANGE])
def test_answers_that_do_not_fit_the_question_are_dropped(bench: Bench, kind: Kind) -> None:
    bench.break_with(Fault(kind, times=2))
    bench.download()
    assert_whole(bench)


def test_a_wrong_length_for_ever_is_told(bench: Bench) -> None:
    bench.break_with(Fault(Kind.WRONG_LENGTH, times=-1))
    with pytest.raises(DownloadInterrupted, match="try again"):
        bench.download()


@pytest.mark.parametrize("at", [0, 2 * CHUNK + 17])
def test_a_connection_that_hangs_is_left_for_a_new_one(bench: Bench, at: int) -> None:
    bench.break_with(Fault(Kind.HANG, at=at))
    bench.download()
    assert_whole(bench)


def test_a_slow_drip_is_not_taken_for_a_hang(bench: Bench) -> None:
    bench.tuning = replace(bench.tuning, stall_s=2)
    bench.break_with(Fault(Kind.DRIP, at=CHUNK // 8, seconds=0.3))
    bench.download()
    assert_whole(bench)
    assert bench.server.sent_bytes == SIZE


@pytest.mark.parametrize("at", [5, 7 * CHUNK, SIZE - 1])
def test_a_wrong_byte_is_found_and_repaired(bench: Bench, at: int) -> None:
    bench.tuning = replace(bench.tuning, connections=1, span_chunks=1)
    chunk = at // CHUNK
    bench.break_with(*[Fault(Kind.NONE) for _ in range(chunk)], Fault(Kind.WRONG_BYTE, at=at))
    bench.download()
    assert_whole(bench)
    # Only up to the damaged chunk is fetched a second time.
    again = [r.start for r in bench.server.asked(Where.BYTES)][21:]
    assert again == [number * CHUNK for number in range(chunk + 1)]
    assert any("compared" in progress.note for progress in bench.seen)


def test_a_byte_that_stays_wrong_is_told_and_the_part_kept(bench: Bench) -> None:
    bench.break_with(Fault(Kind.WRONG_BYTE, at=CHUNK, times=-1))
    with pytest.raises(DownloadCorrupted, match="checksum"):
        bench.download()
    kept = read_record(map_path(bench.target / "model.gguf"))
    assert kept is not None
    assert kept.done_bytes == SIZE
    assert not (bench.target / "model.gguf").exists()
    bench.server.script.clear()
    bench.download()
    assert_whole(bench)


def test_redirects_in_circles_are_told(bench: Bench) -> None:
    listed = bench.listed()
    bench.break_with(Fault(Kind.LOOP, times=-1))
    with pytest.raises(DownloadInterrupted, match="circles"):
        bench.download(listed)
    bench.server.script.clear()
    bench.break_with(Fault(Kind.LOOP, Where.RESOLVE, times=-1))
    with pytest.raises(DownloadInterrupted, match="circles"):
        bench.download(listed)


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://127.0.0.1/x", "http://[::1", "http://h:x/"])
@pytest.mark.parametrize("where", [Where.RESOLVE, Where.BYTES])
def test_redirects_to_strange_addresses_are_refused(bench: Bench, target: str, where: Where) -> None:
    bench.break_with(Fault(Kind.ELSEWHERE, where, target=target, times=-1))
    with pytest.raises((DownloadInterrupted, NoNetwork)):
        bench.download()


def test_https_never_becomes_http() -> None:
    check_address("https://cdn.example/x", "https://hub.example")
    with pytest.raises(DownloadInterrupted, match="unprotected"):
        check_address("http://hub.example/x", "https://hub.example")


def test_the_token_is_not_sent_to_another_host(bench: Bench) -> None:
    bench.repository.token = "hf_secret"
    bench.download()
    assert {r.authorization for r in bench.server.asked(Where.RESOLVE)} == {"Bearer hf_secret"}
    assert {r.authorization for r in bench.server.asked(Where.BYTES)} == {""}


def test_the_token_is_not_sent_after_a_redirect_of_the_storage(bench: Bench) -> None:
    with HubServer() as other:
        other.repositories = bench.server.repositories
        target = f"{other.cdn}/maker/model-GGUF/model.gguf"
        bench.break_with(Fault(Kind.ELSEWHERE, target=target, times=-1))
        bench.download()
        assert {r.authorization for r in other.requests} == {""}
    assert_whole(bench)


def test_a_gated_repository_says_what_to_do(bench: Bench) -> None:
    listed = bench.listed()
    bench.repository.token, bench.repository.gated = "another", True
    with pytest.raises(AccessDenied, match="licence"):
        bench.download(listed)


def test_a_file_that_went_away_is_told(bench: Bench) -> None:
    listed = bench.listed()
    bench.repository.files.clear()
    with pytest.raises(RepositoryMissing, match="no longer there"):
        bench.download(listed)


def test_a_server_that_is_gone_is_told(bench: Bench) -> None:
    listed = bench.listed()
    bench.server.close()
    with pytest.raises(NoNetwork, match="can't be reached"):
        bench.download(listed)


def test_after_too_many_cuts_the_part_is_kept_and_only_the_rest_fetched(bench: Bench) -> None:
    bench.break_with(Fault(Kind.NONE, times=3), Fault(Kind.CUT, at=CHUNK // 2 + 5), Fault(Kind.CUT, at=1, times=-1))
    with pytest.raises(DownloadInterrupted, match="What has arrived is kept"):
        bench.download()
    bench.server.script.clear()
    bench.download()
    assert_whole(bench)
    assert bench.server.sent_bytes == SIZE, "not even the bytes of unfinished chunks come twice"


class TestChangedVersion:
    NEWER = content_of(SIZE + 999, seed=2)

    def test_in_mid_download_the_file_starts_over_and_says_so(self, bench: Bench) -> None:
        bench.tuning = replace(bench.tuning, connections=1)
        bench.break_with(Fault(Kind.NONE), Fault(Kind.CUT, at=CHUNK))
        listed = bench.listed()
        connections = iter([CONTENT, self.NEWER])

        class Changing(dict[str, bytes]):
            def get(self, name: str, default: object = None) -> bytes:  # type: ignore[override]
                if name not in self:
                    raise KeyError(name)
                self[name] = next(connections, self[name])
                return self[name]

        bench.repository.files = Changing(bench.repository.files)
        bench.download(listed)
        assert (bench.target / "model.gguf").read_bytes() == self.NEWER
        assert any("has changed on the server" in progress.note for progress in bench.seen)
        assert bench.seen[-1].total_bytes == bench.seen[-1].done_bytes == len(self.NEWER)

    def test_between_two_downloads_no_versions_are_mixed(self, bench: Bench) -> None:
        bench.break_with(Fault(Kind.NONE, times=3), Fault(Kind.CUT, at=0, times=-1))
        with pytest.raises(DownloadInterrupted):
            bench.download()
        bench.server.script.clear()
        bench.repository.files["model.gguf"] = self.NEWER
        bench.download()
        assert (bench.target / "model.gguf").read_bytes() == self.NEWER
        assert any("has changed on the server" in progress.note for progress in bench.seen)

    def test_storage_that_serves_another_version_meanwhile_is_noticed_by_its_etag(self, bench: Bench) -> None:
        listed = bench.listed()
        bench.tuning = replace(bench.tuning, connections=1, span_chunks=1)
        bench.break_with(Fault(Kind.NONE, times=3))
        newer = bench.repository.files | {"model.gguf": content_of(SIZE, seed=4)}

        class Swapping(list[Progress]):
            def append(self, progress: Progress) -> None:
                if progress.done_bytes and not progress.verifying:
                    bench.repository.files = newer

        bench.seen = Swapping()
        bench.limit = lambda: 40 * CHUNK  # slow enough for a report in the middle
        bench.download(listed)
        assert (bench.target / "model.gguf").read_bytes() == newer["model.gguf"]

    def test_a_server_that_contradicts_itself_is_told(self, bench: Bench) -> None:
        listed = (replace(bench.listed()[0], size=SIZE + 1),)
        with pytest.raises(DownloadCorrupted, match="something else than it announces"):
            bench.download(listed)
