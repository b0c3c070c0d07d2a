"""Any series of faults ends with the whole, right file, or with a sentence and every finished chunk kept."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from huggingface_hub import close_session
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.core.errors import AppError
from app.models.download_part import map_path, part_path, read_record
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


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(script=st.lists(faults, max_size=8))
def test_any_series_of_faults(server: HubServer, script: list[Fault]) -> None:
    server.script.clear()
    server.repositories[REPOSITORY] = Repository({"model.gguf": CONTENT})
    with tempfile.TemporaryDirectory() as folder:
        tuning = replace(QUICK, stall_s=0.15, first_pause_s=0.001, longest_retry_after_s=0.01)
        bench = Bench(server, Path(folder), {"model.gguf": CONTENT}, tuning)
        target = bench.target / "model.gguf"
        listed = bench.listed()
        bench.break_with(*script)
        kept_bytes = 0
        for _ in range(2 + sum(fault.times for fault in script)):
            failure = failure_of(bench, listed)
            if failure is None:
                break
            assert str(failure).endswith(".")
            assert not target.exists()
            assert part_path(target).exists()
            kept = read_record(map_path(target))
            done = kept.done_bytes if kept is not None else 0
            assert done >= kept_bytes, "finished chunks were lost"
            kept_bytes = done
        assert target.read_bytes() == CONTENT
        assert not part_path(target).exists()
