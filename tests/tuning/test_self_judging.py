"""Questions behind many places of one solution at once, against asking each alone."""

from dataclasses import replace
from itertools import chain

import pytest
import torch
from transformers import LlamaConfig, PreTrainedModel

from calculemus.errors import InvalidParameterError
from calculemus.rng import Rng
from calculemus.tiny.model import create
from calculemus.tuning.copying import CopyFit, fast_attention, orders
from calculemus.tuning.self_judging import (
    Asked,
    Question,
    chances_of_no,
    collate,
    fit_self_judge,
    summed_loss,
)

QUESTION = Question((7, 8), yes=5, no=6)
FIT = CopyFit(dtype="float32", optimizer="adamw", lm_weight=0.5)
ROWS = [
    Asked((1, 2, 3, 4, 2), 2, (5, 3), (1.0, 0.25), count=2),
    Asked((1, 3, 3), 1, (2,), (0.5,)),
]


@pytest.fixture
def model() -> PreTrainedModel:
    config = LlamaConfig(
        vocab_size=12,
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        max_position_embeddings=64,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=0,
        pad_token_id=0,
    )
    model = create(config, Rng(1)).eval()
    with torch.no_grad():
        for weight in model.parameters():
            if weight.dim() == 2:
                weight.mul_(20)  # so that its answers differ
    return model


def logprobs_alone(model: PreTrainedModel, ids: tuple[int, ...]) -> torch.Tensor:
    with torch.no_grad():
        return model(input_ids=torch.tensor([ids])).logits[0].log_softmax(dim=-1)


def test_questions_asked_together_are_answered_as_if_each_were_alone(model: PreTrainedModel) -> None:
    found = chances_of_no(model, ROWS, QUESTION)
    for row, chances in zip(ROWS, found, strict=True):
        for place, chance in zip(row.places, chances, strict=True):
            last = logprobs_alone(model, (*row.ids[:place], *QUESTION.ids))[-1].exp()
            expected = last[QUESTION.no] / (last[QUESTION.no] + last[QUESTION.yes])
            assert chance == pytest.approx(expected.item(), rel=1e-4)
    assert len({round(chance, 3) for chances in found for chance in chances}) == 3


def test_the_loss_is_that_of_the_answers_and_of_the_solutions(model: PreTrainedModel) -> None:
    expected = 0.0
    for row in ROWS:
        for place, share in zip(row.places, row.shares, strict=True):
            last = logprobs_alone(model, (*row.ids[:place], *QUESTION.ids))[-1]
            expected -= row.count * (share * last[QUESTION.no] + (1 - share) * last[QUESTION.yes]).item()
        written = logprobs_alone(model, row.ids)
        for n in range(row.n_prompt, len(row.ids)):
            expected -= 0.5 * row.count * written[n - 1, row.ids[n]].item()
    with fast_attention(model):
        loss, n = summed_loss(model, collate(ROWS, QUESTION), QUESTION, FIT)
    assert (loss.item(), n) == (pytest.approx(expected, rel=1e-4), 3)


def test_a_model_learns_to_answer_by_what_it_has_read(model: PreTrainedModel) -> None:
    rows = [
        Asked((1, first, second, 3), 1, (2, 4), (float(first == 2),) * 2)
        for first in (2, 4)
        for second in (2, 3, 4)
    ]
    losses = fit_self_judge(model, rows, QUESTION, replace(FIT, epochs=60.0, lr=5e-3, rows=6), Rng(0))
    assert len(losses) == 60
    for row, chances in zip(rows, chances_of_no(model, rows, QUESTION), strict=True):
        assert all(abs(chance - share) < 0.1 for chance, share in zip(chances, row.shares, strict=True))


def test_training_the_top_alone_has_the_same_loss_and_spares_the_rest(model: PreTrainedModel) -> None:
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    batch = collate(ROWS, QUESTION)
    with fast_attention(model):
        whole, top = (summed_loss(model, batch, QUESTION, replace(FIT, top=n))[0].item() for n in (0, 1))
    assert top == pytest.approx(whole, rel=1e-5)
    fit_self_judge(model, ROWS, QUESTION, replace(FIT, epochs=2.0, rows=2, top=1), Rng(0))
    changed = {name for name, weight in model.state_dict().items() if not torch.equal(weight, before[name])}
    assert changed
    assert all(name == "model.norm.weight" or name.startswith("model.layers.1.") for name in changed)


def test_training_leaves_the_kind_of_attention_as_it_was(model: PreTrainedModel) -> None:
    before = model.config._attn_implementation
    fit_self_judge(model, ROWS, QUESTION, replace(FIT, epochs=1.0, rows=2), Rng(0))
    assert model.config._attn_implementation == before


@pytest.mark.parametrize("rows", [[], [ROWS[0], Asked((1, 2), 1, (), ())]])
def test_no_rows_or_one_that_asks_nothing_is_refused(model: PreTrainedModel, rows: list[Asked]) -> None:
    with pytest.raises(InvalidParameterError, match="each of which needs a place to ask behind"):
        fit_self_judge(model, rows, QUESTION, FIT, Rng(0))


def test_every_row_comes_once_an_epoch() -> None:
    taken = list(orders(5, 5, 2, Rng(0)))
    flat = list(chain.from_iterable(taken))
    assert sorted(flat[:5]) == sorted(flat[5:]) == [0, 1, 2, 3, 4]
    assert [len(step) for step in taken] == [2] * 5
    assert list(orders(3, 2, 10, Rng(0))) != [[0, 1, 2]] * 2
    assert [sorted(step) for step in orders(3, 2, 10, Rng(0))] == [[0, 1, 2]] * 2
