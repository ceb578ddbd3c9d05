"""PE2: with a writer and a model that are known, the search does what is known; the rest is kept apart."""

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calculemus.engine.requests import Chat
from calculemus.engine.scheduler import Scheduler
from calculemus.engine.scripted import ScriptedEngine
from calculemus.errors import ProblemError
from calculemus.problem import Problem
from calculemus.problems.problemset import ProblemSet
from calculemus.rng import Rng
from calculemus.solving.pe2 import Pe2, read_prompt, word_distance
from calculemus.solving.prompt_bench import PromptBench, Tally, Tried, split
from calculemus.solving.prompt_search import Node

DEV = ProblemSet("dev", tuple(Problem(f"dev/{i}", f"What is {i} + 1?", str(i + 1)) for i in range(12)))
TEST = ProblemSet("test", tuple(Problem(f"test/{i}", f"What is {i} + 2?", str(i + 2)) for i in range(12, 24)))
START = "flags 0 0 0"
NOW = re.compile(r"The prompt now: (.*)")


def model(right: Callable[[str, int], bool]) -> ScriptedEngine:
    """Return a model that is right on a problem with a prompt where the function says so."""

    def say(prompt: str, seed: int) -> str:
        found = re.match(r"Q: What is (\d+) \+ (\d+)\?\nA: ?(.*)", prompt)
        assert found is not None
        a, b = int(found[1]), int(found[2])
        return f"#### {a + b if right(found[3], a) else -1}"

    return ScriptedEngine(say)


def writer(edit: Callable[[str, str], str]) -> ScriptedEngine:
    """Return a writer that makes a new prompt of the one it is shown."""

    def say(prompt: str, seed: int) -> str:
        found = NOW.search(prompt)
        assert found is not None
        return f"1. No. 2. No. 3. Yes.\n<prompt>{edit(found[1], prompt)}</prompt>"

    return ScriptedEngine(say)


def by_flags(text: str, number: int) -> bool:
    """Be right on a third of the problems for each flag that is set."""
    return number % 3 < text.count("1")


def set_a_flag(text: str, prompt: str) -> str:
    return text.replace("0", "1", 1)


def bench(right: Any = by_flags, edit: Any = set_a_flag, **others: Any) -> PromptBench:
    return PromptBench(model(right), DEV, TEST, writer(edit), **others)


def test_it_reaches_the_optimum_in_as_many_rounds_as_there_are_flags() -> None:
    for steps in range(5):
        tuned = Pe2(steps=steps, beam=1, expand=1).optimize(bench(), [START], Rng(0))
        assert tuned.winner.score == min(steps, 3) / 3
        assert tuned.winner.step == min(steps, 3)
        assert (tuned.start.score, tuned.test.score) == (0.0, min(steps, 3) / 3)
    assert tuned.winner.instruction == "flags 1 1 1"
    assert tuned.stopped == "a prompt has no failures left on the development set"


@pytest.mark.parametrize(("backtrack", "best"), [(True, 1.0), (False, 1 / 3)])
def test_going_back_escapes_a_bad_step(backtrack, best) -> None:
    edits = iter(["trap 0", "trap 1", "good 1 1 1", "trap 2"])

    def edit(text: str, prompt: str) -> str:
        return "lost" if "trap" in text else next(edits)

    def right(text: str, number: int) -> bool:
        return "good" in text or ("flags" in text and number % 3 == 0)

    pe2 = Pe2(steps=3, beam=1, expand=1, backtrack=backtrack)
    tuned = pe2.optimize(bench(right, edit), [START], Rng(0))
    assert tuned.winner.score == pytest.approx(best)


def test_a_prompt_is_never_paid_twice_on_a_problem() -> None:
    asked: Counter[str] = Counter()

    def right(text: str, number: int) -> bool:
        asked[f"{text}|{number}"] += 1
        return by_flags(text, number)

    at = bench(right)
    first, second = at.on_dev(START), at.on_dev(START)
    assert first == second
    assert (at.n_paid, at.n_known) == (12, 12)
    Pe2(steps=2, beam=2, expand=3).optimize(at, [START], Rng(0))
    assert set(asked.values()) == {1}
    assert at.n_paid == sum(asked.values())
    paid = at.n_paid
    Pe2(steps=2, beam=2, expand=3).optimize(at, [START], Rng(0))
    assert at.n_paid == paid


def test_proposals_that_are_known_too_long_too_far_or_missing_are_left_out_and_counted() -> None:
    said = iter(
        [
            "<prompt>FLAGS 0  0 0</prompt>",
            "<prompt>a b c d e f</prompt>",
            "<prompt>all new words</prompt>",
            "none",
        ]
    )
    at = PromptBench(model(by_flags), DEV, TEST, ScriptedEngine(lambda prompt, seed: next(said)))
    pe2 = Pe2(steps=1, beam=1, expand=4, max_words=5, step_size=2)
    tuned = pe2.optimize(at, [START], Rng(0))
    assert tuned.dropped == {
        "known already": 1,
        "over 5 words": 1,
        "over 2 words changed": 1,
        "no prompt in the reply": 1,
    }
    assert (len(tuned.nodes), tuned.stopped) == (1, "round 1 proposed nothing new")


@given(st.lists(st.sampled_from("abc"), max_size=5), st.lists(st.sampled_from("abc"), max_size=5))
def test_the_distance_is_the_least_number_of_word_edits(a, b) -> None:
    def brute(x: list[str], y: list[str]) -> int:
        if not x or not y:
            return len(x) + len(y)
        return min(brute(x[1:], y) + 1, brute(x, y[1:]) + 1, brute(x[1:], y[1:]) + (x[0] != y[0]))

    assert word_distance(" ".join(a), " ".join(b)) == brute(a, b)


def meta_prompts(pe2: Pe2, edit: Any = set_a_flag, right: Any = by_flags) -> list[str]:
    """Return what a search asked the writer."""
    asked: list[str] = []

    def kept(text: str, prompt: str) -> str:
        asked.append(prompt)
        return edit(text, prompt)

    pe2.optimize(bench(right, kept), [START], Rng(0))
    return asked


def test_momentum_shows_the_edits_that_led_there_and_no_others() -> None:
    asked = meta_prompts(Pe2(steps=3, beam=1, expand=1, momentum=True))
    histories = [[line for line in prompt.splitlines() if line.startswith("- ")] for prompt in asked]
    first = "- 'flags 0 0 0' (0%) became 'flags 1 0 0' (33%)"
    second = "- 'flags 1 0 0' (33%) became 'flags 1 1 0' (67%)"
    assert histories == [[], [first], [first, second]]
    assert all("became" not in prompt for prompt in meta_prompts(Pe2(steps=3, beam=1, expand=1)))


def test_the_meta_prompt_has_its_parts_and_failures_alone() -> None:
    asked = meta_prompts(Pe2(steps=2, beam=1, expand=2, batch_size=3, step_size=4, max_words=9))
    for prompt in asked:
        assert "Two steps:" in prompt
        assert "Where the prompt stands: It stands behind the question" in prompt
        assert prompt.count("Answer of the model: #### -1") == prompt.count("Example ") == 3
        assert "at most 9 words, at most 4 words of it changed" in prompt


def node_of(wrong: set[int]) -> Node:
    tried = tuple(Tried(problem, "x", index not in wrong) for index, problem in enumerate(DEV))
    return Node(Tally("t", tried))


def test_batches_are_the_own_failures_any_problems_or_those_that_many_prompts_fail_on() -> None:
    nodes = [node_of({0, 1, 2}), *(node_of({0}) for _ in range(8))]
    drawn: dict[str, Counter[str]] = {}
    for failures in ("hard", "random", "weighted"):
        pe2 = Pe2(failures=failures, batch_size=1)
        batches = [pe2._batch(nodes, nodes[0], Rng(seed)) for seed in range(600)]
        drawn[failures] = Counter(tried.problem.id for batch in batches for tried in batch)
    assert set(drawn["hard"]) == {"dev/0", "dev/1", "dev/2"}
    assert all(abs(n - 200) < 60 for n in drawn["hard"].values())
    assert len(drawn["random"]) == 12
    assert abs(drawn["weighted"]["dev/0"] - 600 * 9 / 11) < 60
    assert len({t.problem.id for t in Pe2(batch_size=3)._batch(nodes, nodes[0], Rng(0))}) == 3


def test_the_winner_looks_better_where_it_was_chosen() -> None:
    count = iter(range(1000))

    def right(text: str, number: int) -> bool:
        return Rng(number, ("chance", text)).generator().random() < 0.5

    gaps = []
    for seed in range(20):
        at = bench(right, lambda text, prompt: f"prompt {next(count)}")
        tuned = Pe2(steps=2, beam=2, expand=4).optimize(at, [f"start {seed}"], Rng(seed))
        gaps.append(tuned.winner.score - tuned.test.score)
    assert sum(gaps) / len(gaps) > 0.1


def test_sets_that_share_a_problem_are_refused() -> None:
    same = Problem("other", "WHAT is 3  + 1?", "4")
    for shared in (same, replace(same, id="dev/3", question="new")):
        test = ProblemSet("t", (*TEST, shared))
        with pytest.raises(ProblemError, match="'dev' and 't' share 1 problems"):
            PromptBench(model(by_flags), DEV, test)


def test_a_split_shares_nothing_and_keeps_variants_together() -> None:
    problems = ProblemSet(
        "all", tuple(Problem(f"p{i}", f"question {i}", "1", meta={"group": str(i // 3)}) for i in range(60))
    )
    dev, test = split(problems, 21, 20, Rng(0))
    assert (len(dev), len(test)) == (21, 20)
    assert not {p.group for p in dev} & {p.group for p in test}
    assert split(problems, 21, 20, Rng(0)) == (dev, test)
    assert split(problems, 21, 20, Rng(1)) != (dev, test)


def test_no_failures_left_stops_before_anything_is_written() -> None:
    at = bench(lambda text, number: True)
    tuned = Pe2().optimize(at, [START], Rng(0))
    assert (len(tuned.nodes), tuned.winner.score) == (1, 1.0)
    assert "no failures left" in tuned.stopped


@pytest.mark.parametrize(
    ("text", "prompt"),
    [
        ("<prompt>a\n b</prompt>", "a b"),
        ("<prompt>first</prompt> no: <PROMPT>second</PROMPT>", "second"),
        ("so <prompt>cut off", "cut off"),
        ("**New prompt:** 'Go on.'", "Go on."),
        ("<prompt> </prompt>", None),
        ("nothing", None),
    ],
)
def test_prompts_are_read_from_replies(text, prompt) -> None:
    assert read_prompt(text) == prompt


def test_a_chat_model_reads_the_meta_prompt_as_a_conversation() -> None:
    seen: list[Any] = []

    class Watched(ScriptedEngine):
        def work(self, job: Any) -> Any:
            seen.append(job.request.prompt)
            return super().work(job)

    engine = Watched("<prompt>new</prompt>", chat_template=True)
    at = PromptBench(model(by_flags), DEV, TEST, engine)
    Pe2(steps=1, beam=1, expand=1).optimize(at, [START], Rng(0))
    assert isinstance(seen[0], Chat)
    assert list(Scheduler(engine).solve_all(at.solver, [])) == []
