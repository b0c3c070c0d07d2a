"""Every connection is noted, whatever ends it, and no contact is ever forgotten."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from huggingface_hub import close_session

from app.core.errors import AppError
from app.models import connections
from app.models.connections import NAME, ConnectionLog, keep_connections, list_connections
from tests.hub_server.bench import CHUNK, Bench, content_of
from tests.hub_server.faults import Fault, Kind
from tests.hub_server.server import HubServer

SIZE = 6 * CHUNK


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    monkeypatch.setattr(connections._Kept, "log", None)
    with HubServer() as server:
        yield Bench(server, tmp_path / "models", {"model.gguf": content_of(SIZE)})
        close_session()


def test_a_download_leaves_every_connection_with_its_bytes(bench: Bench, tmp_path: Path) -> None:
    keep_connections(tmp_path)
    bench.download()
    entries = list_connections(tmp_path).entries
    assert len(entries) == len(bench.server.requests)
    assert all(entry.finished for entry in entries)
    assert {entry.host for entry in entries} == {
        urlsplit(bench.server.endpoint).netloc,
        urlsplit(bench.server.cdn).netloc,
    }
    stored = [entry for entry in entries if entry.host == urlsplit(bench.server.cdn).netloc]
    assert sum(entry.n_bytes for entry in stored) == SIZE
    assert {(entry.method, entry.status) for entry in stored} == {("GET", 206)}
    assert [entry.at for entry in entries] == sorted((entry.at for entry in entries), reverse=True)
    assert not any("?" in entry.path for entry in entries), "the listing asks with a query"


def test_a_server_that_does_not_answer_is_noted_too(bench: Bench, tmp_path: Path) -> None:
    keep_connections(tmp_path)
    bench.server.close()
    with pytest.raises(AppError):
        bench.listed()
    (entry,) = list_connections(tmp_path).entries
    assert (entry.host, entry.status, entry.finished) == (urlsplit(bench.server.endpoint).netloc, 0, False)


def test_a_cut_answer_counts_what_came(bench: Bench, tmp_path: Path) -> None:
    listed = bench.listed()
    keep_connections(tmp_path)
    bench.break_with(Fault(Kind.CUT, at=100))
    bench.download(listed)
    assert 100 in {entry.n_bytes for entry in list_connections(tmp_path).entries}


def test_without_a_folder_nothing_is_noted(bench: Bench, tmp_path: Path) -> None:
    bench.download()
    assert list_connections(tmp_path).entries == ()


def test_a_log_that_can_not_be_written_does_not_end_a_download(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "data").write_bytes(b"")
    keep_connections(tmp_path / "data")
    assert bench.download()[0].read_bytes() == content_of(SIZE)


def test_the_log_stays_small_and_forgets_no_host(tmp_path: Path) -> None:
    log = ConnectionLog(tmp_path, most_bytes=4000)
    for number in range(60):
        log.end(log.begin("GET", f"https://host{number % 3}.example/path?secret=1"), 200, 10)
    assert (tmp_path / NAME).stat().st_size <= 4200
    found = list_connections(tmp_path)
    assert "secret" not in (tmp_path / NAME).read_text()
    assert {entry.host for entry in found.entries} == {f"host{n}.example:443" for n in range(3)}
    for number in range(3):
        host = f"host{number}.example:443"
        listed = [entry for entry in found.entries if entry.host == host]
        earlier = [total for total in found.earlier if total.host == host]
        assert len(listed) + sum(total.count for total in earlier) == 20
        assert sum(entry.n_bytes for entry in listed) + sum(total.n_bytes for total in earlier) == 200


def test_torn_and_strange_lines_spoil_no_other(tmp_path: Path) -> None:
    log = ConnectionLog(tmp_path)
    first = log.begin("GET", "https://one.example/a")
    with (tmp_path / NAME).open("ab") as stream:
        stream.write(b'{"key": "x", "at": "never", "method": 1}\n[]\n{"key": "torn", "me')
    log.end(first, 200, 5)
    log.begin("HEAD", "https://two.example/b")
    found = list_connections(tmp_path).entries
    assert {(entry.host, entry.finished) for entry in found} == {("one.example:443", True), ("two.example:443", False)}
