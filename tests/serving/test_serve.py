"""The endpoint: clients of OpenAI get a solver's answers, streams, costs, and errors that they understand."""

import contextlib
import json
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import httpx
import openai
import pytest
import uvicorn

from calculemus.cost import Budget
from calculemus.engine.requests import Sample, Sampling
from calculemus.engine.scheduler import Scheduler
from calculemus.engine.scripted import ScriptedEngine
from calculemus.engine.toy import ToyLM
from calculemus.problem import Problem
from calculemus.rng import Rng
from calculemus.serving.app import MOST_BYTES, Service, make_app
from calculemus.serving.desk import Desk, Order
from calculemus.solution import Solution
from calculemus.solving import Solver, get_solver

KEY = "sesame"


@dataclass(frozen=True)
class Served:
    """An endpoint on loopback."""

    url: str
    service: Service

    def client(self, key: str = KEY) -> openai.OpenAI:
        return openai.OpenAI(base_url=f"{self.url}/v1", api_key=key, max_retries=0)


@contextlib.contextmanager
def serving(solver: Solver, engine: Any, budget: Budget = Budget()) -> Iterator[Served]:
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    desk = Desk(solver, Scheduler(engine, budget=budget))
    service = Service(desk, "vote@toy", budget, KEY)
    server = uvicorn.Server(uvicorn.Config(make_app(service), log_level="warning", lifespan="off"))
    thread = threading.Thread(target=server.run, args=([listening],))
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield Served(f"http://127.0.0.1:{listening.getsockname()[1]}", service)
    finally:
        server.should_exit = True
        thread.join()
        desk.close()


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    with serving(get_solver("vote:n=3"), ToyLM.random(Rng(1), "123", 4)) as found:
        yield found


def ask(served: Served, **fields: Any) -> Any:
    messages = [{"role": "user", "content": "How many?"}]
    return served.client().chat.completions.create(**{"model": "any", "messages": messages, **fields})


def post(served: Served, body: Any, **headers: str) -> httpx.Response:
    sent = {"authorization": f"Bearer {KEY}", "content-type": "application/json", **headers}
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return httpx.post(f"{served.url}/v1/chat/completions", content=content, headers=sent)


def test_a_client_gets_the_answer_of_the_solver(served) -> None:
    reply = ask(served)
    order = Order("How many?", lambda what: None)
    scheduler = Scheduler(ToyLM.random(Rng(1), "123", 4))
    watched = served.service.desk._watched
    served.service.desk._open[order.problem.id] = [order]
    ((_, _, solution),) = scheduler.solve_all(watched, [(order.problem, 0)])
    del served.service.desk._open[order.problem.id]
    assert reply.choices[0].message.content == solution.answer
    assert reply.choices[0].finish_reason == "stop"
    usage = reply.usage
    assert usage.completion_tokens == solution.cost.tokens_out + solution.cost.tokens_discarded
    assert usage.prompt_tokens_details.cached_tokens == solution.cost.tokens_cached
    assert usage.model_extra["calculemus"]["tokens_out"] == solution.cost.tokens_out


def test_the_same_question_and_seed_give_the_same_answer_and_samples_differ(served) -> None:
    first, again = (ask(served, n=8, seed=5) for _ in range(2))
    texts = [choice.message.content for choice in first.choices]
    assert texts == [choice.message.content for choice in again.choices]
    assert len(set(texts)) > 1
    assert texts != [choice.message.content for choice in ask(served, n=8, seed=6).choices]
    assert [choice.index for choice in first.choices] == list(range(8))


def test_a_stream_shows_the_steps_then_the_answer_then_the_cost(served) -> None:
    whole = ask(served, seed=3)
    parts = list(ask(served, seed=3, stream=True, stream_options={"include_usage": True}))
    deltas = [part.choices[0].delta for part in parts if part.choices]
    thoughts = [
        delta.model_extra["reasoning_content"] for delta in deltas if "reasoning_content" in delta.model_extra
    ]
    assert len(thoughts) == 3
    assert "".join(delta.content or "" for delta in deltas) == whole.choices[0].message.content
    assert parts[-2].choices[0].finish_reason == "stop"
    assert parts[-1].usage.total_tokens == whole.usage.total_tokens


def test_plain_completions_and_the_list_of_models(served) -> None:
    client = served.client()
    assert client.completions.create(model="any", prompt="How many?").choices[0].text == (
        ask(served).choices[0].message.content
    )
    assert [model.id for model in client.models.list()] == ["vote@toy"]


def test_a_budget_is_kept_and_a_client_can_only_lower_it() -> None:
    engine = ScriptedEngine("one two three four #### 5")
    with serving(get_solver("cot"), engine, Budget(tokens=600)) as served:
        assert ask(served).choices[0].finish_reason == "stop"
        assert ask(served, max_tokens=10_000).choices[0].finish_reason == "stop"
        low = ask(served, max_tokens=20)
        assert low.choices[0].finish_reason == "length"
        assert "tokens" in low.choices[0].message.refusal
        assert low.usage.completion_tokens <= 20
        other = ask(served, extra_body={"budget": {"requests": 1}})
        assert other.choices[0].finish_reason == "stop"


def test_settings_that_a_solver_has_itself_are_named_as_ignored(served) -> None:
    reply = ask(served, temperature=0.3, top_p=0.9)
    assert reply.model_extra["calculemus"]["ignored"] == ["temperature", "top_p"]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"{", "Expecting"),
        (b"[" * 100_000, "recursion"),
        ([], "expected a JSON object"),
        ({}, "no 'messages'"),
        ({"messages": "hi"}, "expected a list of messages"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "a 'content' of text"),
        ({"messages": [{"role": "assistant", "content": "x"}]}, "expected one from 'user'"),
        ({"messages": [{"role": "user", "content": " "}]}, "the question is empty"),
        ({"prompt": "x", "n": 0}, "'n' is 0"),
        ({"prompt": "x", "n": True}, "'n' is True"),
        ({"prompt": "x", "n": 2, "stream": True}, "expected 1 there"),
        ({"prompt": "x", "tools": [{}]}, "'tools' is set"),
        ({"prompt": "x", "budget": {"money": 3}}, "'budget' is"),
        ({"prompt": "x", "budget": {"tokens": -1}}, "expected a number above 0"),
    ],
)
def test_bad_requests_say_what_is_wrong(served, body, said) -> None:
    reply = post(served, body)
    assert reply.status_code == 400
    assert said in reply.json()["error"]["message"]


def test_a_wrong_key_a_form_and_a_huge_body_are_turned_away(served) -> None:
    with pytest.raises(openai.AuthenticationError, match="bearer token"):
        served.client("open").chat.completions.create(model="x", messages=[{"role": "user", "content": "x"}])
    assert post(served, {"prompt": "x"}, **{"content-type": "text/plain"}).status_code == 415
    assert post(served, b"x" * (MOST_BYTES + 1)).status_code == 413
    assert httpx.get(f"{served.url}/admin").status_code == 404


def test_many_at_once_share_batches_and_get_what_they_get_alone(served) -> None:
    def alone(i: int) -> str:
        return ask(served, seed=i).choices[0].message.content

    expected = [alone(i) for i in range(40)]
    found: dict[int, str] = {}
    threads = [threading.Thread(target=lambda i=i: found.__setitem__(i, alone(i))) for i in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [found[i] for i in range(40)] == expected


@dataclass(frozen=True)
class Endless(Solver):
    """Asks for ever."""

    asked: ClassVar[list[int]] = []

    def solve(self, problem: Problem, ctx: Any) -> Any:
        while True:
            yield Sample(problem.question, Sampling(max_tokens=1))
            self.asked.append(1)
            time.sleep(0.01)


def test_work_ends_when_the_caller_leaves() -> None:
    with serving(Endless(), ScriptedEngine("x")) as served:
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(
                f"{served.url}/v1/chat/completions",
                json={"prompt": "x"},
                headers={"authorization": f"Bearer {KEY}"},
                timeout=0.5,
            )
        deadline = time.monotonic() + 20
        while served.service.desk._open and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not served.service.desk._open
        assert Endless.asked


def test_a_broken_engine_is_told_and_the_next_question_is_answered() -> None:
    class Fragile(ScriptedEngine):
        is_broken = True

        def wait(self) -> Any:
            if self.is_broken:
                type(self).is_broken = False
                raise RuntimeError("out of memory")
            return super().wait()

    with serving(get_solver("cot"), Fragile("#### 5")) as served:
        with pytest.raises(openai.InternalServerError, match="out of memory"):
            ask(served)
        assert ask(served).choices[0].message.content == "#### 5"


def test_conversations_become_one_question() -> None:
    heard: list[str] = []
    solution = Solution("5")

    class Deaf(Desk):
        def __init__(self) -> None: ...

        def take(self, order: Order) -> None:
            heard.append(order.question)
            order.tell(solution)

    from starlette.testclient import TestClient

    client = TestClient(make_app(Service(Deaf(), "x", Budget())))
    turns = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "2 + 3?"},
        {"role": "assistant", "content": "5"},
        {"role": "user", "content": [{"type": "text", "text": "And 4 more?"}]},
    ]
    for messages in (turns[1:2], turns[:2], turns):
        assert client.post("/v1/chat/completions", json={"messages": messages}).status_code == 200
    assert heard == [
        "2 + 3?",
        "Be brief.\n\n2 + 3?",
        "Be brief.\n\nUser: 2 + 3?\n\nAssistant: 5\n\nUser: And 4 more?",
    ]
