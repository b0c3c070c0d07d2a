from __future__ import annotations

from app.chat.desk import EngineDesk
from app.core.errors import EngineCrashed
from app.core.messages import ReasoningEffort, StopReason, TurnStats
from app.engine.protocol import (
    SAMPLING,
    AnswerPiece,
    Died,
    EngineEvent,
    Generated,
    GenerateRequest,
    Measured,
    MeasureRequest,
    Request,
)

FAST = ReasoningEffort.NONE


class Asked:
    """Note what the desk asks of an engine."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.cancelled = 0

    def ask(self, request: Request) -> None:
        self.requests.append(request)

    def cancel(self) -> None:
        self.cancelled += 1

    def close(self) -> None:
        raise AssertionError("the desk does not own the engine")


def generate(request_id: str) -> GenerateRequest:
    return GenerateRequest(request_id, (), FAST, SAMPLING[FAST])


def ended(request_id: str) -> Generated:
    return Generated(request_id, TurnStats(StopReason.STOP))


def make() -> tuple[Asked, EngineDesk, list[tuple[str, EngineEvent]], list[Died]]:
    engine, heard, deaths = Asked(), list[tuple[str, EngineEvent]](), list[Died]()
    return engine, EngineDesk(engine, deaths.append), heard, deaths


def test_the_second_request_waits_for_the_first() -> None:
    engine, desk, heard, _ = make()
    desk.submit(generate("a"), lambda event: heard.append(("a", event)))
    desk.submit(MeasureRequest("b", (), FAST), lambda event: heard.append(("b", event)))
    assert [request.request_id for request in engine.requests] == ["a"]
    desk.receive(AnswerPiece("a", "hello"))
    desk.receive(ended("a"))
    assert [request.request_id for request in engine.requests] == ["a", "b"]
    desk.receive(Measured("b", 7, 0))
    assert desk.is_idle
    assert [who for who, _ in heard] == ["a", "a", "b"]


def test_events_of_an_ended_request_are_dropped() -> None:
    _, desk, heard, _ = make()
    desk.submit(generate("a"), lambda event: heard.append(("a", event)))
    desk.receive(ended("a"))
    desk.receive(AnswerPiece("a", "late"))
    assert [type(event) for _, event in heard] == [Generated]


def test_cancel_reaches_the_engine_only_for_the_request_under_way() -> None:
    engine, desk, heard, _ = make()
    desk.submit(generate("a"), lambda event: heard.append(("a", event)))
    desk.submit(generate("b"), lambda event: heard.append(("b", event)))
    assert not desk.cancel("b")
    assert engine.cancelled == 0
    assert desk.cancel("a")
    assert engine.cancelled == 1
    desk.receive(ended("a"))
    assert [request.request_id for request in engine.requests] == ["a"], "the withdrawn one is not asked"


def test_a_death_ends_everything_that_waits_and_is_told_once() -> None:
    _, desk, heard, deaths = make()
    desk.submit(generate("a"), lambda event: heard.append(("a", event)))
    desk.submit(generate("b"), lambda event: heard.append(("b", event)))
    died = Died(EngineCrashed("The engine stopped."), "a")
    desk.receive(died)
    assert [who for who, _ in heard] == ["a", "b"]
    assert len({id(event) for _, event in heard} | {id(death) for death in deaths}) == 1
    assert str(deaths[0].error) == "The engine stopped. Your chat is saved; send a message to start it again."
    assert desk.is_idle


def test_the_late_news_of_an_idle_death_spares_the_request_of_the_next_process() -> None:
    _, desk, heard, deaths = make()
    desk.submit(generate("a"), lambda event: heard.append(("a", event)))
    died = Died(EngineCrashed("The engine stopped."))
    desk.receive(died)
    assert len(deaths) == 1
    desk.receive(ended("a"))
    assert heard == [("a", ended("a"))]


def test_a_handler_may_submit_the_next_request() -> None:
    engine, desk, _, _ = make()

    def handler(event: EngineEvent) -> None:
        if isinstance(event, Generated):
            desk.submit(generate("next"), lambda later: None)

    desk.submit(generate("a"), handler)
    desk.receive(ended("a"))
    assert [request.request_id for request in engine.requests] == ["a", "next"]
