"""Fitting verifiers: the loss by hand, what it tends to, and the head that is left."""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from calculemus.engine.requests import Prefix
from calculemus.engine.toy import PROMPT, ToyLM
from calculemus.errors import InvalidParameterError
from calculemus.rng import Rng
from calculemus.tuning.value_rows import Labelled, batches, collate
from calculemus.tuning.valuing import Fitted, ValueFit, Verifier, fit_verifier, summed_loss, values_of

NAN = math.nan
PLAIN = ValueFit(squash="none", lm_weight=0, dropout=0, dtype="float32", optimizer="adamw")


class Table(nn.Module):
    """A language model whose hidden state behind each known prefix is a unit vector of its own."""

    def __init__(self, rows: list[Labelled], vocab_size: int = 4) -> None:
        super().__init__()
        self.places = {p: i for i, p in enumerate(sorted({r.ids[:n] for r in rows for n in range(1, 9)}))}
        self.config: Any = type("Config", (), {"_attn_implementation": "sdpa"})()
        self.head = nn.Linear(len(self.places), vocab_size, bias=False)
        nn.init.zeros_(self.head.weight)

    def base_model(self, input_ids: Tensor, use_cache: bool) -> tuple[Tensor]:
        assert not use_cache
        hidden_states = torch.zeros((*input_ids.shape, len(self.places)))
        for i, row in enumerate(input_ids.tolist()):
            for n in range(len(row)):
                if tuple(row[: n + 1]) in self.places:
                    hidden_states[i, n, self.places[tuple(row[: n + 1])]] = 1.0
        return (hidden_states,)

    def get_output_embeddings(self) -> nn.Linear:
        return self.head

    def set_attn_implementation(self, name: str) -> None:
        self.config._attn_implementation = name


ROW = Labelled((1, 2, 3), 1, (1.0, 0.0))


def with_values(values: list[float], rows: list[Labelled]) -> Verifier:
    """Return a verifier of a table that gives the prefixes, in sorted order, these values."""
    verifier = Verifier(Table(rows), 0.0, Rng(0))
    verifier.weight.data = torch.tensor(values)
    return verifier


def test_the_loss_of_a_row_is_the_sum_of_squared_errors_over_its_solution() -> None:
    verifier = with_values([9.0, 0.5, 0.25], [ROW])  # the prompt's value, 9, does not count
    loss, n = summed_loss(verifier, collate([ROW]), PLAIN)
    assert (loss.item(), n) == (pytest.approx(0.5**2 + 0.25**2), 1)


def test_the_language_models_loss_is_added_with_its_weight() -> None:
    verifier = with_values([9.0, 0.5, 0.25], [ROW])
    fit = ValueFit(squash="none", lm_weight=0.5, dropout=0, dtype="float32")
    loss, _ = summed_loss(verifier, collate([ROW]), fit)
    assert loss.item() == pytest.approx(0.3125 + 0.5 * 2 * math.log(4))  # two tokens, each one of four


def test_cross_entropy_is_that_of_soft_labels() -> None:
    row = Labelled((1, 2), 1, (0.25,))
    verifier = with_values([0.0, 0.7], [row])
    fit = ValueFit(loss="cross_entropy", squash="sigmoid", lm_weight=0, dropout=0, dtype="float32")
    p = 1 / (1 + math.exp(-0.7))
    loss, _ = summed_loss(verifier, collate([row]), fit)
    assert loss.item() == pytest.approx(-0.25 * math.log(p) - 0.75 * math.log(1 - p))


@pytest.mark.parametrize(("squash", "function"), [("sigmoid", torch.sigmoid), ("tanh", torch.tanh)])
def test_values_go_through_the_squash(squash: Any, function: Callable[[Tensor], Tensor]) -> None:
    verifier = with_values([9.0, 0.5, 0.25], [ROW])
    fit = ValueFit(squash=squash, lm_weight=0, dropout=0, dtype="float32")
    values = function(torch.tensor([0.5, 0.25])).tolist()
    loss, _ = summed_loss(verifier, collate([ROW]), fit)
    assert loss.item() == pytest.approx((values[0] - 1) ** 2 + values[1] ** 2)


def test_tokens_without_a_label_have_no_loss() -> None:
    row = Labelled((1, 2, 3), 1, (NAN, 0.0))
    loss, _ = summed_loss(with_values([9.0, 5.0, 0.25], [row]), collate([row]), PLAIN)
    assert loss.item() == pytest.approx(0.25**2)


def test_a_row_that_stands_for_three_counts_as_three() -> None:
    rows = [ROW, Labelled((1, 3), 1, (1.0,))]
    verifier = with_values([9.0, 0.5, 0.25, 0.1], rows)
    thrice = Labelled(ROW.ids, 1, ROW.labels, count=3)
    several, n = summed_loss(verifier, collate([*[ROW] * 3, rows[1]]), PLAIN)
    at_once, m = summed_loss(verifier, collate([thrice, rows[1]]), PLAIN)
    assert (at_once.item(), m) == (pytest.approx(several.item()), n)


def test_later_labels_take_over_little_by_little() -> None:
    row = Labelled((1, 2, 3), 1, (0.0, NAN), later=(1.0, NAN))
    shares = [parts[0].labels[0, 1].item() for parts in batches([row], 5, 1, 1, Rng(0))]
    assert shares == pytest.approx([0.0, 0.25, 0.5, 0.75, 1.0])


def test_all_rows_are_gone_through_before_any_comes_again() -> None:
    rows = [Labelled((place + 1,) * (place + 2), 1, (0.0,) * (place + 1)) for place in range(6)]
    seen = [
        tuple(row for part in parts for row in part.input_ids[:, 0].tolist())
        for parts in batches(rows, 4, 3, 2, Rng(0))
    ]
    assert sorted(seen[0] + seen[1]) == sorted(seen[2] + seen[3]) == [1, 2, 3, 4, 5, 6]
    assert seen[:2] != seen[2:]
    assert all(list(step) == sorted(step) for step in seen)  # from short rows to long ones


LM = ToyLM(
    "ab",
    [0.5, 0.5, 0],
    [[0.25, 0.25, 0.5], [0.5, 0.25, 0.25]],
    max_length=3,
    rewards=lambda text: float(text.count("a") == 1),
)


def all_texts() -> list[Labelled]:
    """Every text of the toy model with its outcome, as often as it comes in 64 samples."""
    rows = []
    for text, probability in LM.texts().items():
        ids = (PROMPT, *("ab".index(symbol) + 1 for symbol in text), 3)
        outcome = LM.value(Prefix(text, ids))
        rows.append(Labelled(ids, 1, (outcome,) * (len(ids) - 1), count=round(64 * probability)))
    assert sum(row.count for row in rows) == 64
    return rows


def chance(ids: tuple[int, ...]) -> float:
    return LM.value(Prefix("", ids))


def test_the_chance_of_a_right_end_is_where_the_loss_is_least() -> None:
    rows = all_texts()
    verifier = Verifier(Table(rows), 0.0, Rng(0))
    known = verifier.model.places
    verifier.weight.data = torch.tensor([chance(prefix) for prefix in sorted(known)])
    loss, _ = summed_loss(verifier, collate(rows), PLAIN)
    loss.backward()
    assert verifier.weight.grad is not None
    assert verifier.weight.grad.abs().max().item() < 1e-4


@pytest.mark.parametrize(("loss", "squash"), [("squared", "none"), ("cross_entropy", "sigmoid")])
def test_training_on_outcomes_ends_at_the_chance_of_a_right_end(loss: Any, squash: Any) -> None:
    rows = all_texts()
    model = Table(rows)
    fit = replace(PLAIN, loss=loss, squash=squash, epochs=400.0, lr=0.2, rows=len(rows), warmup=0.0, parts=1)
    fitted = fit_verifier(model, rows, fit, Rng(0))
    for row, values in zip(rows, values_of(model, fitted, rows), strict=True):
        exact = [chance(row.ids[: n + 2]) for n in range(len(values))]
        assert values == pytest.approx(exact, abs=0.01)


def test_the_head_begins_as_the_mean_output_embedding_or_where_it_is_told() -> None:
    model = Table([ROW])
    nn.init.normal_(model.head.weight, generator=torch.Generator().manual_seed(1))
    untrained = replace(PLAIN, epochs=0.0)
    fitted = fit_verifier(model, [ROW], untrained, Rng(0))
    assert fitted.weight.tolist() == pytest.approx(model.head.weight.mean(dim=0).tolist())
    assert fitted.losses == ()
    start = Fitted(torch.tensor([1.0, 2.0, 3.0]), 0.5, "none")
    again = fit_verifier(model, [ROW], untrained, Rng(0), start)
    assert (again.weight.tolist(), again.bias) == ([1.0, 2.0, 3.0], 0.5)


def test_the_folded_head_gives_what_the_parts_give() -> None:
    verifier = with_values([0.3, -0.5, 0.25], [ROW]).eval()
    verifier.gain.data, verifier.shift.data = torch.tensor([1.5]), torch.tensor([-0.2])
    verifier.bias.data = torch.tensor([0.1])
    hidden_states = torch.tensor([[0.5, -1.0, 2.0]])
    fitted = verifier.fold("none", [])
    folded = (hidden_states @ fitted.weight + fitted.bias).item()
    assert folded == pytest.approx(verifier.sums(hidden_states).item())


def test_dropout_keeps_the_mean_and_is_off_outside_of_training() -> None:
    verifier = Verifier(Table([ROW]), 0.5, Rng(0))
    verifier.weight.data = torch.ones(3)
    inputs = torch.ones(20_000, 3)
    dropped = verifier.sums(inputs)
    assert dropped.mean().item() == pytest.approx(3, abs=0.05)
    assert dropped.std().item() > 1
    assert verifier.eval().sums(inputs).unique().tolist() == [3.0]


def test_a_fit_depends_on_its_stream_alone_and_leaves_torchs_own_alone() -> None:
    fit = replace(PLAIN, dropout=0.5, epochs=6.0, rows=4)
    rows = all_texts()
    tables = [Table(rows) for _ in range(3)]
    before = torch.random.get_rng_state()
    one, same, other = (
        fit_verifier(table, rows, fit, Rng(seed)) for table, seed in zip(tables, (1, 1, 2), strict=True)
    )
    assert torch.equal(one.weight, same.weight)
    assert not torch.equal(one.weight, other.weight)
    assert torch.equal(before, torch.random.get_rng_state())


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "there are no rows; expected at least one"),
        ([ROW, Labelled((1, 2, 3), 1, (1.0,))], "row 1 has 1 labels and 2 tokens behind its prompt"),
        ([Labelled((1, 2), 1, (1.0,), later=())], "row 0 has 0 labels and 1 tokens"),
    ],
)
def test_rows_without_a_label_for_each_token_are_refused(rows: list[Labelled], message: str) -> None:
    with pytest.raises(InvalidParameterError, match=message):
        fit_verifier(Table([ROW]), rows, PLAIN, Rng(0))


def test_cross_entropy_needs_values_that_are_probabilities() -> None:
    with pytest.raises(InvalidParameterError, match="'squash' is 'tanh' with loss='cross_entropy'"):
        ValueFit(loss="cross_entropy", squash="tanh")
