"""Evolution by CMA-ES, and races of its candidates."""

import builtins
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from torch import nn

from calculemus.errors import InvalidParameterError, MissingExtraError
from calculemus.merging.evolving import Evolution
from calculemus.merging.racing import Race
from calculemus.rng import Rng
from calculemus.tiny.guessing import GuessFamily, guess_family


@pytest.fixture(scope="module")
def guesses(tmp_path_factory: pytest.TempPathFactory) -> GuessFamily:
    return guess_family(tmp_path_factory.mktemp("guesses"), 3)


def bowl(x: Any) -> float:
    return -float(((x - 0.3) ** 2 * np.arange(1, len(x) + 1)).sum())


def test_evolution_finds_the_top_of_a_quadratic() -> None:
    search = Evolution(np.zeros(4), 0.5, Rng(0))
    search.run(bowl, 1200)
    assert search.fitness > -1e-6
    np.testing.assert_allclose(search.best, 0.3, atol=1e-3)
    assert sum(map(len, search.told)) <= 1200


def test_the_same_stream_takes_the_same_way_and_another_one_another() -> None:
    runs = []
    for seed in (1, 1, 2):
        search = Evolution(np.zeros(3), 0.5, Rng(seed))
        search.run(bowl, 50)
        runs.append(search.told)
    assert runs[0] == runs[1]
    assert runs[0] != runs[2]


def test_a_search_goes_on_from_what_it_was_told() -> None:
    whole = Evolution(np.zeros(3), 0.5, Rng(1), low=-1.0, high=1.0)
    for _ in range(4):
        whole.tell([bowl(x) for x in whole.ask()])
    again = Evolution(np.zeros(3), 0.5, Rng(1), low=-1.0, high=1.0, told=[list(row) for row in whole.told])
    assert [x.tolist() for x in again.ask()] == [x.tolist() for x in whole.ask()]
    assert again.fitness == whole.fitness
    assert again.best.tolist() == whole.best.tolist()


def test_candidates_keep_to_the_bounds_and_generations_to_their_size() -> None:
    search = Evolution(np.full(5, 0.9), 0.5, Rng(0), low=0.0, high=1.0)
    assert search.size == 4 + int(3 * np.log(5))
    for _ in range(5):
        candidates = np.array(search.ask())
        assert candidates.min() >= 0
        assert candidates.max() <= 1
        search.tell([0.0] * search.size)


def test_what_was_told_of_another_search_is_refused() -> None:
    with pytest.raises(InvalidParameterError, match="told of 2 candidates"):
        Evolution(np.zeros(3), 0.5, Rng(0), told=[[0.0, 1.0]])


def test_a_missing_search_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def refuse(name: str, *args: Any, **kwargs: Any) -> Any:
        if name == "cmaes":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(MissingExtraError, match=r"calculemus\[evolve\]"):
        Evolution(np.zeros(2), 0.5, Rng(0))


@dataclass(frozen=True)
class Numbers:
    """A task whose rows are solved by models with a large enough weight."""

    name: str
    dev: Sequence[float]

    def batch(self, n: int, rng: Rng) -> Any:
        raise NotImplementedError

    def logits(self, call: Any, batch: Any) -> Any:
        raise NotImplementedError

    def outcomes(self, model: Any, split: str) -> Mapping[str, float]:
        assert split == "dev"
        return {f"{self.name}/{i}": float(model.weight.item() >= row) for i, row in enumerate(self.dev)}


def weighing(weight: float) -> nn.Module:
    model = nn.Linear(1, 1, bias=False)
    nn.init.constant_(model.weight, weight)
    return model.requires_grad_(False)


TASKS = [Numbers("a", np.linspace(0, 1, 200).tolist()), Numbers("b", np.linspace(0, 2, 100).tolist())]


def test_fitness_is_the_mean_accuracy_however_many_heats_there_are() -> None:
    plain = [Race(TASKS, n_heats).run(weighing(0.5)) for n_heats in (1, 3, 7)]
    expected = (np.mean(np.linspace(0, 1, 200) <= 0.5) + np.mean(np.linspace(0, 2, 100) <= 0.5)) / 2
    assert plain == pytest.approx([expected] * 3)


def test_a_candidate_that_is_clearly_worse_is_out_early_and_behind_all_others() -> None:
    race = Race(TASKS, 4)
    best = race.run(weighing(0.9))
    assert race.run(weighing(0.1)) < 0
    assert race.n_stopped == 1
    assert race.run(weighing(0.89)) == pytest.approx(best, abs=0.02)
    assert race.run(weighing(0.95)) > best
    assert race.n_stopped == 1


def test_tasks_whose_rows_cannot_be_shared_out_are_measured_whole(guesses: GuessFamily) -> None:
    race = Race(guesses.tasks, 4)
    expected = np.mean([np.mean(list(t.outcomes(guesses.model(), "dev").values())) for t in guesses.tasks])
    assert race.run(guesses.model()) == pytest.approx(expected)


def test_too_few_rows_to_choose_by_are_refused() -> None:
    with pytest.raises(InvalidParameterError, match="expected 50 or more"):
        Race([Numbers("a", [0.5] * 49)]).run(weighing(0.1))
