"""Tasks of language models: what greedy decoding would say, and the loss of nothing but completions."""

from typing import Any

import pytest
import torch
from transformers import PreTrainedModel

from calculemus.errors import InvalidParameterError
from calculemus.rng import Rng
from calculemus.tiny.arith_family import ArithRecipe, fresh, mixed, skill, together
from calculemus.tuning.fitting import Fit, fit_through
from calculemus.tuning.tasks import Score, mean_accuracy, measure
from calculemus.tuning.text_task import IGNORED, Row, TextTask, encode

SMALL = ArithRecipe(d_model=16, n_layers=1)


@pytest.fixture(scope="module")
def model() -> PreTrainedModel:
    """A model that has learned to answer in digits, and to end."""
    made = fresh(ArithRecipe(d_model=32, n_layers=2))
    task = skill("max")
    fit_through(made, mixed({"max": 1.0}, Rng(0), 64), task.loss, Fit(steps=60))
    return made.eval()


def said(model: PreTrainedModel, ids: list[int], end: int) -> list[int]:
    """Return what greedy decoding gives, token by token."""
    found: list[int] = []
    while len(found) < 6 and end not in found:
        with torch.no_grad():
            found.append(int(model(input_ids=torch.tensor([ids + found])).logits[0, -1].argmax()))
    return found


def test_outcomes_are_those_of_greedy_decoding_token_by_token(model: PreTrainedModel) -> None:
    task = skill("max")
    tokenizer, end = task.tokenizer, task.tokenizer.eos_token_id
    prompts = [row.prompt for row in task.dev[:40]]
    greedy = [said(model, tokenizer(p, add_special_tokens=False)["input_ids"], end) for p in prompts]
    assert all(ids[-1] == end for ids in greedy)
    told = [tokenizer.decode(ids[:-1]) for ids in greedy]
    rows = [Row(p, text + "7" * (i % 2)) for i, (p, text) in enumerate(zip(prompts, told, strict=True))]
    rows += [Row(p, "0" + text) for p, text in zip(prompts, told, strict=True)]
    found = list(TextTask("t", rows, rows, rows, tokenizer).outcomes(model, "dev").values())
    assert found == [1.0, 0.0] * 20 + [0.0] * 40


def test_the_loss_is_the_mean_over_the_tokens_of_completions(model: PreTrainedModel) -> None:
    rows = [Row("3?12=", "12"), Row("7?5=", "7")]
    task = TextTask("t", rows, rows, rows, skill("max").tokenizer)
    total, n = 0.0, 0
    for row in rows:
        asked = task.tokenizer(row.prompt, add_special_tokens=False)["input_ids"]
        told = [
            *task.tokenizer(row.completion, add_special_tokens=False)["input_ids"],
            task.tokenizer.eos_token_id,
        ]
        with torch.no_grad():
            logprobs = torch.log_softmax(model(input_ids=torch.tensor([asked + told])).logits[0], dim=-1)
        total -= sum(logprobs[len(asked) - 1 + i, token].item() for i, token in enumerate(told))
        n += len(told)
    assert task.mean_loss(model, "dev") == pytest.approx(total / n, rel=1e-4)


def test_a_batch_has_prompts_and_no_label_but_the_place_of_the_answer() -> None:
    task = skill("add")
    batch = task.batch(16, Rng(1))
    assert (batch.labels != IGNORED).sum(dim=1).tolist() == [1] * 16
    assert set(batch.labels[batch.labels != IGNORED].tolist()) == {task.tokenizer.eos_token_id}
    assert task.batch(16, Rng(1)).input_ids.equal(batch.input_ids)
    assert not task.batch(16, Rng(2)).input_ids.equal(batch.input_ids)


def test_rows_of_a_step_are_shared_out_between_skills() -> None:
    parts = next(mixed({"add": 0.75, "sort,max": 0.25}, Rng(0), 32))
    assert [len(part.input_ids) for part in parts] == [24, 8]


def test_joined_tasks_have_the_rows_of_all() -> None:
    one = together(("mul", "sort@b"))
    assert len(one.test) == len(skill("mul").test) + len(skill("sort@b").test)


@pytest.mark.parametrize("rows", [[], None])
def test_nothing_to_encode_and_no_mark_of_the_end_are_refused(rows: Any) -> None:
    tokenizer = skill("add").tokenizer
    if rows is None:
        rows = [Row("1+1=", "2")]
        tokenizer.eos_token = None
    with pytest.raises(InvalidParameterError, match="eos_token"):
        encode(rows, tokenizer)


def test_a_score_is_a_share_with_its_interval(model: PreTrainedModel) -> None:
    found = measure(model, [skill("max"), skill("add")], "dev")
    assert mean_accuracy(found) == (found["max"].accuracy + found["add"].accuracy) / 2
    score = Score({"a": 1.0, "b": 0.0, "c": 1.0, "d": 1.0})
    assert score.estimate.value == score.accuracy == 0.75
    assert score.estimate.low < 0.75 < score.estimate.high
