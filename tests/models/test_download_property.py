"""Any series of faults and kills ends with the whole, right file, or with a sentence and everything kept."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import pytest
from huggingface_hub import close_session
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.core.errors import AppError, Cancelled
from app.models.download_part import PartFile
from app.models.download_record import map_path, part_path, read_record
from app.models.hub import RemoteFile
from tests.hub_server.bench import CHUNK, QUICK, REPOSITORY, Bench, content_of
from tests.hub_server.faults import Fault, Kind, Where
from tests.hub_server.server import HubServer, Repository

SIZE = 6 * CHUNK + 321
CONTENT = content_of(SIZE)

faults = st.builds(
    Fault,
    kind=st.sampled_from([k for k in Kind if k not in {Kind.DRIP, Kind.ELSEWHERE, Kind.NONSENSE}]),
    where=st.sampled_from([Where.BYTES, Where.BYTES, Where.RESOLVE]),
    at=st.integers(0, SIZE),
    status=st.sampled_from([403, 404, 416, 429, 500, 503]),
    retry_after=st.sampled_from([None, 0, 9999]),
    times=st.integers(1, 3),
)
# After how many pieces on the disk, and how many bytes of the map's last lines the kill tears off.
kills = st.tuples(st.integers(1, 40), st.sampled_from([0, 0, 1, 30, 90]))


@pytest.fixture(scope="module")
def server() -> Iterator[HubServer]:
    with HubServer() as served:
        yield served
    close_session()


def failure_of(bench: Bench, listed: tuple[RemoteFile, ...]) -> AppError | None:
    try:
        bench.download(listed)
    except AppError as error:
        return error
    return None


@contextmanager
def kill_after(bench: Bench, kill: tuple[int, int] | None) -> Iterator[None]:
    """Leave on the disk what a kill after some pieces would, if the download comes so far."""
    left, torn = kill or (0, 0)
    target, snapshot = bench.target / "model.gguf", bench.target / "snapshot"
    note, count = PartFile._note, [0]

    def noting(part: PartFile, chunk: int, length: int, digest: str, n_bytes: int) -> None:
        note(part, chunk, length, digest, n_bytes)
        with part.changed:
            count[0] += 1
            if count[0] == left:
                snapshot.mkdir()
                shutil.copy(map_path(target), snapshot / "map")  # first: its lines speak of bytes written before
                shutil.copy(part_path(target), snapshot / "part")
                bench.cancel.set()

    with patch.object(PartFile, "_note", noting):
        yield
    bench.cancel.clear()
    if snapshot.exists() and not target.exists():
        content = (snapshot / "map").read_bytes()
        header = content.index(b"\n") + 1  # written as a whole, so never torn
        map_path(target).write_bytes(content[: max(header, len(content) - torn)])
        shutil.copy(snapshot / "part", part_path(target))
    shutil.rmtree(snapshot, ignore_errors=True)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(script=st.lists(faults, max_size=8), killed=st.lists(kills, max_size=3))
def test_any_series_of_faults_and_kills(server: HubServer, script: list[Fault], killed: list[tuple[int, int]]) -> None:
    server.script.clear()
    server.repositories[REPOSITORY] = Repository({"model.gguf": CONTENT})
    with tempfile.TemporaryDirectory() as folder:
        tuning = replace(QUICK, stall_s=0.15, first_pause_s=0.001, longest_retry_after_s=0.01)
        bench = Bench(server, Path(folder), {"model.gguf": CONTENT}, tuning)
        target = bench.target / "model.gguf"
        listed = bench.listed()
        bench.break_with(*script)
        kept_bytes, waiting_kills = 0, list(killed)
        for _ in range(2 + len(killed) + sum(fault.times for fault in script)):
            with kill_after(bench, waiting_kills.pop() if waiting_kills else None):
                failure = failure_of(bench, listed)
            if failure is None:
                break
            assert str(failure).endswith(".")
            assert not target.exists()
            assert part_path(target).exists()
            kept = read_record(map_path(target))
            done = kept.done_bytes if kept is not None else 0
            if not isinstance(failure, Cancelled):  # a kill may cost the pieces under way
                assert done >= kept_bytes, "what was on the disk was lost"
            assert done >= kept_bytes - CHUNK, "a kill costs less than a chunk"
            kept_bytes = done
        assert target.read_bytes() == CONTENT
        assert not part_path(target).exists()
