"""Measure the transcript: time per frame while an answer of 4k tokens streams, and opening a long chat."""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from PySide6.QtWidgets import QApplication

from app.core.messages import Message, MessageState, Role, StopReason, Text, TurnStats
from app.core.settings import Theme
from app.ui.appearance import Appearance
from app.ui.transcript.view import TranscriptView

_CHARACTERS_PER_TOKEN = 4
_TOKENS_PER_FRAME = 2  # 100 tokens per second, more than any model this program is made for
_SECTION = """## Section {number}

Sorting is *stable* when equal items keep their order, which `sorted()` promises and `heapq` does not. The
cost is $O(n \\log n)$ comparisons in the worst case, see [the notes](https://example.org/{number}).

1. Split the list into runs and look for the ones that are already in order.
2. Merge neighbouring runs as long as their lengths are balanced:
   - a run shorter than **32** items is extended by insertion
   - equal items are taken from the left run first
3. Stop when one run is left.

```python
def merge(left: list[int], right: list[int]) -> list[int]:
    merged: list[int] = []
    while left and right:
        merged.append(left.pop(0) if left[0] <= right[0] else right.pop(0))
    return merged + left + right  # section {number}
```

| Input | Comparisons | Moves |
|-------|------------:|------:|
| sorted | n - 1 | 0 |
| random | n log n | n |

> Measure before you change anything.

"""


def main() -> int:
    """Print what was measured; return 1 where a target was missed."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--tokens", type=int, default=4_000)
    arguments.add_argument("--messages", type=int, default=500)
    options = arguments.parse_args()
    application = QApplication([])
    appearance = Appearance(application, Theme.LIGHT)

    def open_view() -> TranscriptView:
        view = TranscriptView(appearance.colors, lambda picture: Path(picture.name))
        view.resize(1200, 800)
        view.show()
        application.processEvents()
        return view

    good = _bench_streaming(open_view(), options.tokens, _prose_and_code(options.tokens), "mixed Markdown")
    good &= _bench_streaming(open_view(), options.tokens, _one_code_block(options.tokens), "one code block")
    good &= _bench_streaming(open_view(), options.tokens, _one_list(options.tokens), "one long list")
    good &= _bench_opening(application, open_view(), options.messages)
    return 0 if good else 1


def _bench_streaming(view: TranscriptView, n_tokens: int, text: str, name: str) -> bool:
    view.start_turn(_message("q", Role.USER, "Explain"), _message("a", Role.ASSISTANT, "", growing=True))
    step = _CHARACTERS_PER_TOKEN * _TOKENS_PER_FRAME
    frames_ms: list[float] = []
    for start in range(0, len(text), step):
        view.add_answer(text[start : start + step])
        frames_ms.append(_timed_ms(lambda: (view.show_frame(), QApplication.processEvents())))
    finish_ms = _timed_ms(lambda: view.finish_turn(_message("a", Role.ASSISTANT, text)))
    frames_ms.sort()
    p50, p95 = statistics.median(frames_ms), frames_ms[int(len(frames_ms) * 0.95)]
    print(
        f"streaming {n_tokens} tokens of {name}: p50 {p50:.2f} ms, p95 {p95:.2f} ms,"
        f" worst {frames_ms[-1]:.1f} ms of processor time per frame with painting; finishing {finish_ms:.1f} ms"
    )
    view.close()
    return p50 < 1 and p95 < 8


def _bench_opening(application: QApplication, view: TranscriptView, n_messages: int) -> bool:
    messages = []
    for number in range(n_messages // 2):
        messages.append(_message(f"q{number}", Role.USER, f"Question {number}: how does this sort?"))
        messages.append(_message(f"a{number}", Role.ASSISTANT, _SECTION.format(number=number)))
    view.clear()
    opening_ms = _timed_ms(lambda: (view.show_conversation(messages), view.repaint()))
    started_s = time.perf_counter()
    slices_ms: list[float] = []
    while time.perf_counter() - started_s < 1.0:
        slices_ms.append(_timed_ms(application.processEvents))
    print(
        f"opening {n_messages} messages: {opening_ms:.0f} ms to the first picture,"
        f" longest slice afterwards {max(slices_ms):.1f} ms"
    )
    return opening_ms < 500


def _timed_ms(work: Callable[[], object]) -> float:
    """Return the processor time `work` took: on a busy machine the clock would measure the others."""
    started_s = time.process_time()
    work()
    return (time.process_time() - started_s) * 1000


def _prose_and_code(n_tokens: int) -> str:
    text = "".join(_SECTION.format(number=number) for number in range(100))
    return text[: n_tokens * _CHARACTERS_PER_TOKEN]


def _one_code_block(n_tokens: int) -> str:
    line = "    total += weights[index] * values[index]  # keep the running sum {number}\n"
    text = "```python\n" + "".join(line.format(number=number) for number in range(1_000))
    return text[: n_tokens * _CHARACTERS_PER_TOKEN]


def _one_list(n_tokens: int) -> str:
    item = "- **Item {number}** with a `name` and a sentence that is long enough to be wrapped in a column\n"
    text = "".join(item.format(number=number) for number in range(1_000))
    return text[: n_tokens * _CHARACTERS_PER_TOKEN]


def _message(message_id: str, role: Role, text: str, *, growing: bool = False) -> Message:
    return Message(
        id=message_id,
        conversation_id="bench",
        parent_id=None,
        role=role,
        parts=(Text(text),),
        created_at=datetime.now(UTC),
        state=MessageState.GROWING if growing else MessageState.COMPLETE,
        stats=None if growing else TurnStats(StopReason.STOP, generated_tokens=len(text) // 4),
    )


if __name__ == "__main__":
    sys.exit(main())
