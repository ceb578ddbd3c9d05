"""R2-LLMs: what the index returns, what is shown where, leaks, and plain search without retrieval."""

import json
from dataclasses import dataclass
from typing import Annotated

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.solving.conftest import complete, drive_by_hand

from calculemus.engine.scheduler import Scheduler
from calculemus.engine.scripted import ScriptedEngine
from calculemus.engine.toy import ToyLM
from calculemus.errors import InvalidParameterError, ProblemError
from calculemus.params import AtLeast
from calculemus.problem import Problem
from calculemus.rng import Rng
from calculemus.solving.mcts import mcts, uct
from calculemus.solving.r2_llm import R2Llm
from calculemus.solving.searching import Search, Searching
from calculemus.solving.step_index import Reference, StepIndex, check_overlaps, read_references, to_reference
from calculemus.solving.tree import Tree

HENS = Problem("hens", "A hen lays 3 eggs a day. How many eggs in 6 days?", "18", "3 * 6 = 18\n#### 18")
CARS = Problem("cars", "A car drives 50 km an hour for 2 hours. How far?", "100", "50 * 2 = 100\n#### 100")
COINS = Problem(
    "coins", "Ann has 5 coins and finds 2 coins. How many coins?", "7", "5 + 2 = 7\nSo 7.\n#### 7"
)
INDEX = StepIndex(map(to_reference, (HENS, CARS, COINS)))
DUCKS = Problem("ducks", "A duck lays 2 eggs a day. How many eggs in 9 days?", "18")


@given(st.lists(st.lists(st.sampled_from(["a b", "c 1", "d e f"]), max_size=5), max_size=6))
def test_an_index_has_an_entry_for_each_step_but_the_last_and_gives_the_one_behind(solutions) -> None:
    references = [
        Reference(f"r{i}", f"question {i}", tuple(f"{text} {n}\n" for n, text in enumerate(steps)))
        for i, steps in enumerate(solutions)
    ]
    index = StepIndex(references)
    assert len(index.entries) == sum(max(0, len(steps) - 1) for steps in solutions)
    for reference in index.references:
        for n in range(1, len(reference.steps)):
            found = index.next_steps(reference.question, "".join(reference.steps[:n]), k=1)
            ((hit, upto),) = found
            asked = f"{reference.question}\n{''.join(reference.steps[:n])}"
            matched = f"{hit.question}\n{''.join(hit.steps[: upto - 1])}"
            assert numberless(matched) == numberless(asked)  # what is matched is the point that was asked for
            assert 2 <= upto <= len(hit.steps)


def numberless(text: str) -> list[str]:
    """Return the words of a text, which is what points are compared by, numbers being all the same."""
    return sorted("0" if word.isdigit() else word for word in text.split())


def test_steps_are_lines_and_the_last_has_the_answer() -> None:
    assert to_reference(HENS).steps == ("3 * 6 = 18\n", "#### 18\n")
    bare = Problem("p", "What?", "4", "2 + 2 = 4\n\n")
    assert to_reference(bare).steps == ("2 + 2 = 4\n", "#### 4\n")
    assert to_reference(DUCKS).steps == ()


def test_similar_problems_and_points_are_found() -> None:
    assert [one.id for one in INDEX.similar(DUCKS.question, k=1)] == ["hens"]
    ((one, n),) = INDEX.next_steps(DUCKS.question, "2 * 9 = 18\n", k=1)
    assert (one.id, one.steps[n - 1]) == ("hens", "#### 18\n")
    assert [one.id for one in INDEX.similar(DUCKS.question, k=1, leave_out={0})] != ["hens"]


def test_abstracts_are_compared_where_references_have_them() -> None:
    speed = Problem("t", "How long?", "3", "#### 3", meta={"abstract": "speed, time and distance"})
    index = StepIndex(map(to_reference, (HENS, speed)))
    assert [one.id for one in index.similar("a speed and a time are given", 1, by_abstract=True)] == ["t"]


PARAPHRASE = Problem("other", "A hen lays 3 eggs each day. How many eggs does it lay in 6 days?", "18")


def test_the_problem_itself_and_its_paraphrase_are_leaks_and_other_numbers_are_not() -> None:
    assert [(pair.problem, pair.reference) for pair in INDEX.overlaps([HENS, PARAPHRASE, DUCKS])] == [
        ("hens", "hens"),
        ("other", "hens"),
    ]
    with pytest.raises(InvalidParameterError, match=r"hens = hens \(1\.00\), other = hens .*leak=leave_out"):
        check_overlaps(INDEX, [HENS, PARAPHRASE])
    check_overlaps(INDEX, [DUCKS])


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "references.jsonl"
    rows = [
        {"id": p.id, "question": p.question, "answer": p.answer, "solution": p.solution}
        for p in (HENS, CARS, COINS)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return path


BY_LINE = {"simulations": 3, "children": 2, "shots": 0, "temperature": 1.0}


def speak(prompt: str, seed: int) -> str:
    own = prompt.rpartition("Q: ")[2]
    return f"2 * 9 = 18, {seed % 3}.\n" if "18" not in own else "#### 18\n"


class Hearing:
    """A scripted engine that remembers the prompts it was asked with."""

    def __init__(self) -> None:
        self.prompts: list[str] = []
        self.valued: list[str] = []
        self.engine = ScriptedEngine(self.speak, values=self.value)

    def speak(self, prompt: str, seed: int) -> str:
        self.prompts.append(prompt)
        return speak(prompt, seed)

    def value(self, prompt: str) -> float:
        self.valued.append(prompt)
        return 0.5


def solve(solver, problem=DUCKS, engine=None):
    ((_, _, solution),) = Scheduler(engine or Hearing().engine).solve_all(solver, [(problem, 0)])
    return solution


def test_solved_problems_are_shown_throughout_and_steps_at_their_expansion_alone(file) -> None:
    hearing = Hearing()
    solution = solve(R2Llm(coarse=1, fine=1, references=str(file), **BY_LINE), engine=hearing.engine)
    assert "#### 18" in solution.answer
    at_root = [prompt for prompt in hearing.prompts if prompt.endswith("A:")]
    behind = [prompt for prompt in hearing.prompts if not prompt.endswith("A:")]
    assert at_root
    assert behind
    whole = f"Q: {HENS.question}\nA: 3 * 6 = 18\n#### 18\n"
    assert all(prompt.startswith(whole) and prompt.count("Q: ") == 2 for prompt in at_root)
    assert all(prompt.startswith(whole) and prompt.count("Q: ") == 3 for prompt in behind)
    assert all(prompt.count("Q: ") == 2 for prompt in hearing.valued)  # not what was shown for one time
    assert any(node.meta.get("shown") == ["hens, step 2"] for node in solution.trace.nodes)


def test_what_is_shown_is_paid_for(file) -> None:
    plain, shown = (
        solve(R2Llm(coarse=k, fine=k, references=str(file), **BY_LINE), engine=Hearing().engine).cost
        for k in (0, 2)
    )
    assert shown.tokens_in + shown.tokens_cached > plain.tokens_in + plain.tokens_cached
    assert shown.tokens_out + shown.tokens_discarded == plain.tokens_out + plain.tokens_discarded


def test_steps_are_shown_only_where_values_are_low_if_so_wanted(file) -> None:
    for low, most in ((0.4, 1), (0.6, 2)):  # all values are 0.5
        hearing = Hearing()
        solver = R2Llm(coarse=0, fine=1, when="low_value", low=low, references=str(file), **BY_LINE)
        solve(solver, engine=hearing.engine)
        assert max(prompt.count("Q: ") for prompt in hearing.prompts) == most


@dataclass(frozen=True)
class PlainMcts(Searching):
    """The same search without any retrieval in its code."""

    simulations: Annotated[int, AtLeast(1)] = 16
    children: Annotated[int, AtLeast(1)] = 4

    def search(self, tree: Tree) -> Search:
        yield from mcts(tree, self.simulations, self.children, uct(1.4), depth=self.depth)


@pytest.mark.parametrize("seed", range(5))
def test_without_retrieval_it_is_plain_search_token_for_token(seed) -> None:
    lm = ToyLM.random(Rng(seed), "123", 4, rewards=lambda text: text.count("2") / 4)
    settings = {"step": "tokens", "step_tokens": 1, "temperature": 1.0, "simulations": 12, "children": 3}

    def run(solver):
        draws = iter(range(10_000))

        def answer(request):
            if hasattr(request, "head"):
                return lm.measure(request)
            return tuple(lm.draw(request.prompt, request.sampling, next(draws))[0] for _ in range(request.n))

        return drive_by_hand(solver, DUCKS, answer, lm.capabilities)

    ours, plain = run(R2Llm(coarse=0, fine=0, **settings)), run(PlainMcts(**settings))
    assert ours.asked == plain.asked
    assert ours.solution == plain.solution


def test_a_leak_is_refused_left_out_or_allowed(file) -> None:
    solver = {"coarse": 1, "fine": 1, "references": str(file), **BY_LINE}
    refused = solve(R2Llm(**solver), HENS)
    assert "hens = hens" in (refused.failure or "")
    assert refused.cost.tokens_out == 0
    for is_shown, other in (
        (False, R2Llm(leak="leave_out", **solver)),
        (True, R2Llm(leak="allow", **solver)),
    ):
        hearing = Hearing()
        solve(other, HENS, hearing.engine)
        assert any(HENS.question in prompt.rpartition("Q: ")[0] for prompt in hearing.prompts) is is_shown


def test_the_model_is_asked_once_what_a_problem_is_about(file) -> None:
    asked = []

    def answer(request):
        asked.append(request)
        if hasattr(request, "head"):
            return (0.5,) * len(request.prompts)
        prompt = request.prompt if isinstance(request.prompt, str) else request.prompt.text
        about = "In general:" in prompt
        return tuple(
            complete(" eggs of hens" if about else "#### 18", prompt=prompt) for _ in range(request.n)
        )

    solver = R2Llm(coarse=1, fine=0, abstract="model", references=str(file), **BY_LINE)
    drive_by_hand(solver, DUCKS, answer)
    assert "In general:" in asked[0].prompt
    assert HENS.question in asked[1].prompt.text
    assert sum("In general:" in str(getattr(request, "prompt", "")) for request in asked) == 1


def test_references_are_named_by_content_and_read_anew_when_they_change(file) -> None:
    solver = R2Llm(references=str(file))
    before = solver.reads
    assert before
    assert R2Llm().reads == R2Llm(coarse=0, fine=0, references=str(file)).reads == ""
    file.write_text(file.read_text("utf-8").replace("hen", "goose"), "utf-8")
    assert solver.reads != before


def test_references_without_solutions_are_refused(tmp_path) -> None:
    path = tmp_path / "bare.jsonl"
    path.write_text('{"question": "How many?", "answer": "7"}\n', "utf-8")
    with pytest.raises(InvalidParameterError, match="none of its problems has a solution"):
        read_references(str(path), "default")
    with pytest.raises(ProblemError, match="nowhere"):
        read_references(str(tmp_path / "nowhere.jsonl"), "default")


def test_by_default_the_references_are_the_worked_examples() -> None:
    index = read_references(None, "default")
    assert len(index.references) == 8
    assert all(reference.steps[-1].startswith("####") for reference in index.references)
