"""What the soak makes of its measurements."""

from __future__ import annotations

import os
import sys

import pytest

from scripts.soaking.memory import TOLERANCE, growth, read_pss


@pytest.mark.parametrize(
    ("samples", "is_flat"),
    [
        ([100] * 80, True),
        ([*range(0, 100, 5), *[100] * 60], True),  # the warm-up may grow
        ([100, 130] * 40, True),  # up and down with every picture
        (list(range(100, 180)), False),
        ([100] * 60 + [110] * 20, False),
    ],
)
def test_growth_after_the_warm_up(samples: list[int], is_flat: bool) -> None:
    assert (growth(samples) <= TOLERANCE) is is_flat


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process's share of memory")
def test_a_process_has_a_share_of_memory_and_a_missing_one_has_none() -> None:
    assert read_pss(os.getpid()) > 1 << 20
    assert read_pss(1 << 30) == 0
