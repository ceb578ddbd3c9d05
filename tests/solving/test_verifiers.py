"""Verifiers of the shipped model, end to end on a handful of problems; and of models that are not there."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from calculemus.engine.base import Job
from calculemus.engine.opening import EngineOptions
from calculemus.engine.requests import Prefix, Sample, Sampling, Value
from calculemus.engine.scripted import ScriptedEngine
from calculemus.engine.torch_engine import TorchEngine
from calculemus.errors import EngineCapabilityError, EngineError, InvalidParameterError
from calculemus.problem import Problem
from calculemus.problems import load
from calculemus.rng import Rng
from calculemus.solving import kept_verifiers, opening
from calculemus.solving.attempting import Attempt, attempt
from calculemus.solving.kept_verifiers import read_attempts, verifier_of, write_attempts
from calculemus.solving.self_evaluation import Question, ask, chance_of_no, question_for
from calculemus.solving.self_evaluators import SelfRecipe, fit_self_evaluator, question_ids
from calculemus.solving.verifiers import Recipe, first_rows, fit_and_write, train_verifier
from calculemus.tiny import MODEL
from calculemus.tuning.copying import open_copy, pieces
from calculemus.tuning.valuing import Fitted, values_of

QUICK = Recipe(n=3, epochs=1.0, held_out=0.3)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def engine() -> Iterator[TorchEngine]:
    engine = TorchEngine(MODEL, rows=16)
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def problems() -> list[Problem]:
    return list(load("generated:level=2,n=6,split=train,seed=7"))


@pytest.fixture(scope="module")
def attempts(engine: TorchEngine, problems: list[Problem]) -> list[list[Attempt]]:
    return attempt(engine, problems, Sampling(1.0, max_tokens=96), 3, Rng(1))


def test_attempts_are_what_the_model_wrote_in_its_own_tokens(
    attempts: list[list[Attempt]], problems: list[Problem]
) -> None:
    for some, problem in zip(attempts, problems, strict=True):
        assert sum(each.count for each in some) == 3
        assert len({each.ids for each in some}) == len(some)
        for each in some:
            (prompt,), (spoken,) = (
                pieces(MODEL, [part]) for part in (each.ids[: each.n_prompt], each.solution_ids)
            )
            assert "".join(prompt) == f"Q: {problem.question}\nA:"
            assert "".join(spoken).removesuffix("<|end|>") == each.text
            assert each.is_ended == (spoken[-1] == "<|end|>")
    assert any(each.is_correct for some in attempts for each in some)


def test_attempts_at_a_problem_do_not_depend_on_the_others(
    engine: TorchEngine, problems: list[Problem], attempts: list[list[Attempt]]
) -> None:
    alone = attempt(engine, problems[3:4], Sampling(1.0, max_tokens=96), 3, Rng(1))
    assert alone == attempts[3:4]


def test_attempts_come_back_from_disk_as_they_were(tmp_path: Path, attempts: list[list[Attempt]]) -> None:
    write_attempts(attempts, tmp_path / "samples.jsonl")
    assert read_attempts(tmp_path / "samples.jsonl") == attempts


@pytest.mark.parametrize("labels", ["outcome", "token", "td"])
def test_a_verifier_answers_as_it_did_in_training(
    labels: Any, attempts: list[list[Attempt]], tmp_path: Path
) -> None:
    found = fit_and_write(attempts, MODEL, replace(QUICK, labels=labels), tmp_path / "v", "", "tiny")
    assert found.n_problems == 2
    verifier = TorchEngine(tmp_path / "v", rows=4)
    head = verifier.value_heads["value"]
    assert head.squash == ("tanh" if labels == "td" else "sigmoid")
    row = first_rows(attempts[0], "outcome")[0]
    squash: Any = head.squash
    trained = values_of(open_copy(tmp_path / "v"), Fitted(head.weight, head.bias, squash), [row])[0]
    verifier.submit([Job(0, Value((prefix_of(attempts[0][0]),)), ())])
    (value,) = verifier.wait()[0].reply
    assert value == pytest.approx(trained[-1], abs=1e-4)
    told = json.loads((tmp_path / "v" / "recipe.json").read_text("utf-8"))
    assert (told["labels"], told["problems"]) == (labels, 4)
    assert "A verifier of `tiny`" in (tmp_path / "v" / "README.md").read_text("utf-8")


def prefix_of(solution: Attempt) -> Prefix:
    return Prefix("", solution.ids)


def test_no_training_leaves_the_model_as_it_was(attempts: list[list[Attempt]], tmp_path: Path) -> None:
    fit_and_write(attempts, MODEL, replace(QUICK, epochs=0.0), tmp_path / "v")
    before, after = open_copy(MODEL).state_dict(), open_copy(tmp_path / "v").state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_the_same_recipe_makes_the_same_verifier_and_spares_the_base(
    engine: TorchEngine, problems: list[Problem], tmp_path: Path
) -> None:
    kept = (MODEL / "model.safetensors").read_bytes()
    recipe = replace(QUICK, n=2, epochs=0.5, max_tokens=48)
    for name in "ab":
        train_verifier(engine, MODEL, problems[:3], recipe, tmp_path / name)
    for file in ("model.safetensors", "value_head.safetensors", "README.md"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()
    assert (MODEL / "model.safetensors").read_bytes() == kept


def test_a_head_of_another_tokenizer_is_refused(attempts: list[list[Attempt]], tmp_path: Path) -> None:
    fit_and_write(attempts[:2], MODEL, replace(QUICK, epochs=0.0), tmp_path / "v", "ab" * 16)
    with pytest.raises(
        EngineError, match="'value' was trained with the tokenizer abababab; expected the model's"
    ):
        TorchEngine(tmp_path / "v")


def test_a_model_that_judges_itself_answers_as_it_did_in_training(
    engine: TorchEngine, attempts: list[list[Attempt]], tmp_path: Path
) -> None:
    question = question_for(engine.capabilities)
    recipe = SelfRecipe(n=3, epochs=1.0, held_out=0.3, asked=3)
    found = fit_self_evaluator(attempts, MODEL, question, recipe, tmp_path / "s", "tiny")
    judge = TorchEngine(tmp_path / "s", rows=4)
    assert question_for(judge.capabilities) == question
    solution = attempts[-1][0]
    judge.submit(
        [
            Job(0, Sample("Q: 1?\nA:", Sampling(max_tokens=2)), (0,)),
            Job(1, ask(prefix_of(solution), question), ()),
        ]
    )
    replies = {}
    while len(replies) < 2:
        replies |= {done.ticket: done.reply for done in judge.wait()}
    assert 0 <= chance_of_no(replies[1], question) <= 1
    assert found.n_problems == 2
    assert found.brier_quarters == ()


def test_answers_of_several_tokens_are_refused_with_their_pieces() -> None:
    with pytest.raises(
        InvalidParameterError, match=r"cuts the answer ' no' into 3 pieces, \[' ', 'n', 'o'\]"
    ):
        question_ids(MODEL, Question("\n need more?", " more", " no"))


def test_too_few_problems_and_engines_without_ids_are_refused(
    engine: TorchEngine, problems: list[Problem], tmp_path: Path
) -> None:
    with pytest.raises(InvalidParameterError, match="there are 1 problems; expected two at least"):
        train_verifier(engine, MODEL, problems[:1], QUICK, tmp_path)
    wordless = ScriptedEngine("5")
    wordless.capabilities = replace(wordless.capabilities, token_ids=False)
    with pytest.raises(EngineCapabilityError, match="it gives no token ids"):
        attempt(wordless, problems, Sampling(), 1, Rng(0))
    with pytest.raises(InvalidParameterError, match="there are no problems"):
        attempt(engine, [], Sampling(), 1, Rng(0))


@pytest.fixture
def quick_kinds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have verifiers on demand learn from next to nothing."""
    quick = replace(QUICK, n=2, epochs=0.5, max_tokens=32)
    kinds = {"ovm": quick, "tvm": replace(quick, labels="token")}
    monkeypatch.setattr(kept_verifiers, "KINDS", kinds)
    monkeypatch.setattr(kept_verifiers, "SELF_RECIPE", SelfRecipe(n=2, epochs=0.5, max_tokens=32, asked=2))
    monkeypatch.setattr(kept_verifiers, "ON_DEMAND", ("generated:level=1,n=3,split=train,seed=101",))
    monkeypatch.setattr(opening, "KINDS", kinds)


@pytest.mark.slow
def test_a_model_is_opened_with_verifiers_that_are_made_once(
    quick_kinds: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    engine = opening.open_model("tiny+ovm+tvm", EngineOptions(rows=4))
    assert engine.capabilities.facts["verifiers"] == ("ovm", "tvm")
    assert engine.name == "tiny+ovm+tvm"
    engine.submit([Job(0, Value(("Q: 1?\nA:",), "tvm"), ())])
    assert 0 < engine.wait()[0].reply[0] < 1
    digest = engine.digest
    engine.close()
    made = sorted(path.name.partition("-")[0] for path in (tmp_path / "calculemus" / "tiny").iterdir())
    assert made == ["ovm", "samples", "tvm"]  # both learned from the same samples
    again = opening.open_model("tiny+ovm+tvm", EngineOptions(rows=4))
    assert again.digest == digest
    again.close()


@pytest.mark.slow
def test_a_model_that_judges_itself_takes_the_place_of_the_model(
    quick_kinds: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    engine = opening.open_model("tiny+selfeval", EngineOptions(rows=4))
    assert isinstance(engine, TorchEngine)
    assert engine.capabilities.facts["prompts"] == "tiny"
    engine.close()


def test_a_folder_with_a_head_is_a_verifier_under_its_own_name(
    attempts: list[list[Attempt]], tmp_path: Path
) -> None:
    fit_and_write(attempts[:2], MODEL, replace(QUICK, epochs=0.0), tmp_path / "mine")
    engine = opening.open_model(f"tiny+{tmp_path / 'mine'}", EngineOptions(rows=4))
    assert engine.capabilities.facts["verifiers"] == ("mine",)
    engine.close()
    shutil.copytree(MODEL, tmp_path / "bare")
    with pytest.raises(EngineCapabilityError, match=r"'bare' .* gives no values"):
        opening.open_model(f"tiny+{tmp_path / 'bare'}", EngineOptions(rows=4))


def test_a_plus_in_the_path_of_a_folder_is_a_part_of_it(tmp_path: Path) -> None:
    folder = tmp_path / "a+b"
    folder.mkdir()
    assert opening.split_model(str(folder)) == (str(folder), [])
    assert opening.split_model(f"{folder}+ovm") == (str(folder), ["ovm"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("tiny+omv", "there is no verifier 'omv'; did you mean ovm"),
        ("tiny+", "there is no verifier ''"),
        (
            "http://127.0.0.1:1/v1#m+ovm",
            "verifier for the model 'http://127.0.0.1:1/v1#m': it is in no folder",
        ),
        ("some/where+tvm", "it is in no folder of this machine"),
        ("tiny+ovm+ovm", "two of its verifiers have one name"),
        ("nothing-here+ovm", "opening the model 'nothing-here': there is no such folder"),
    ],
)
def test_what_names_no_model_or_no_verifier_is_refused_before_any_work(text: str, message: str) -> None:
    with pytest.raises(InvalidParameterError, match=message.replace("+", r"\+")):
        opening.check_model(text)


def test_a_verifier_that_nobody_makes_is_refused() -> None:
    with pytest.raises(
        InvalidParameterError, match="there is none named 'prm'; expected one of ovm, tvm, td"
    ):
        verifier_of(MODEL, "prm")
