"""MAP: quadratic fits, fronts, bins of coefficients, and what its variants measure."""

import builtins
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calculemus.errors import InvalidParameterError, MissingExtraError
from calculemus.events import listening
from calculemus.merging.calibration import Trial, read_calibrated
from calculemus.merging.fronts import hyper_volume, not_dominated, search_front, spread
from calculemus.merging.map_pareto import MapPareto
from calculemus.merging.polar import Bins, angles_of, direction
from calculemus.merging.surrogate import Quadratic, fit_quadratic, n_unknowns
from calculemus.merging.tries import score_of
from calculemus.rng import Rng
from calculemus.tiny.guessing import GuessFamily, guess_family


def random_quadratic(n: int, draws: np.random.Generator, activation: Any = "sigmoid") -> Quadratic:
    half = draws.normal(size=(n, n))
    return Quadratic((half + half.T) / 2, draws.normal(size=n), float(draws.normal()), activation)


@settings(max_examples=40)
@given(st.integers(1, 4), st.integers(0, 10_000), st.sampled_from(["sigmoid", "softplus", "identity"]))
def test_a_quadratic_behind_its_activation_is_recovered_from_the_least_of_points(
    n: int, seed: int, activation: Any
) -> None:
    draws = np.random.default_rng(seed)
    # A simplex of points at 0, 1/2 and 1: in general position by construction.
    eye = np.eye(n)
    points = np.array([np.zeros(n), *eye, *eye / 2, *(eye[i] + eye[j] for i in range(n) for j in range(i))])
    assert len(points) == n_unknowns(n)
    truth = random_quadratic(n, draws, activation)
    found = fit_quadratic(points, truth(points), activation).quadratic
    np.testing.assert_allclose(found.matrix, truth.matrix, atol=1e-6)
    np.testing.assert_allclose(found.vector, truth.vector, atol=1e-6)
    assert found.constant == pytest.approx(truth.constant, abs=1e-7)


def test_a_quadratic_is_what_its_formula_says() -> None:
    draws = np.random.default_rng(0)
    f = random_quadratic(3, draws)
    c = draws.normal(size=3)
    inside = c @ f.matrix @ c / 2 + f.vector @ c + f.constant
    assert f(c[None])[0] == pytest.approx(1 / (1 + np.exp(-inside)))


def test_what_a_fit_without_a_point_says_is_what_such_a_fit_says() -> None:
    draws = np.random.default_rng(1)
    points, values = draws.uniform(size=(12, 2)), draws.uniform(0.1, 0.9, 12)
    fit = fit_quadratic(points, values, "sigmoid", ridge=0.01)
    for i in range(12):
        kept = np.arange(12) != i
        without = fit_quadratic(points[kept], values[kept], "sigmoid", ridge=0.01).quadratic
        assert fit.left_out[i] == pytest.approx(without(points[[i]])[0], abs=1e-9)
    expected = np.mean(
        [abs(said - v) for said, v in zip(fit.left_out, values, strict=True) if said is not None]
    )
    assert fit.mean_error(values) == pytest.approx(expected)


def test_the_least_of_points_leaves_none_to_check_by() -> None:
    draws = np.random.default_rng(2)
    fit = fit_quadratic(draws.uniform(size=(6, 2)), draws.uniform(0.1, 0.9, 6))
    assert set(fit.left_out) == {None}
    assert fit.mean_error(np.zeros(6)) is None


def test_too_few_points_are_refused() -> None:
    with pytest.raises(InvalidParameterError, match="expected 10 or more"):
        fit_quadratic(np.zeros((9, 3)), np.full(9, 0.5))


def test_points_that_do_not_tell_quadratics_apart_are_refused_without_a_ridge() -> None:
    line = np.linspace(0, 1, 8)[:, None] * np.ones((1, 2))
    with pytest.raises(InvalidParameterError, match="general position"):
        fit_quadratic(line, np.full(8, 0.5))
    assert fit_quadratic(line, np.full(8, 0.5), ridge=0.1).quadratic(line) == pytest.approx(0.5)


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_shares_at_the_ends_of_a_sigmoid_are_refused(value: float) -> None:
    with pytest.raises(InvalidParameterError, match="half a problem"):
        fit_quadratic(np.random.default_rng(0).uniform(size=(6, 2)), np.array([0.5] * 5 + [value]))


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=12))
def test_what_is_not_dominated_is_what_brute_force_says(rows: Any) -> None:
    kept = {tuple(rows[i]) for i in not_dominated(np.array(rows, float))}
    brute = {
        a for a in rows if not any(all(x >= y for x, y in zip(b, a, strict=True)) and b != a for b in rows)
    }
    assert kept == brute
    assert len(not_dominated(np.array(rows, float))) == len(kept)


def test_the_hyper_volume_of_boxes_is_that_of_their_union() -> None:
    scores = np.array([[0.5, 0.9], [0.8, 0.4], [0.1, 0.1]])
    assert hyper_volume(scores, [0, 0]) == pytest.approx(0.5 * 0.9 + 0.3 * 0.4)
    assert hyper_volume(scores, [0.6, 0.0]) == pytest.approx(0.2 * 0.4)


def test_rows_are_spread_as_far_as_possible() -> None:
    line = np.array([[0.0], [0.1], [0.5], [1.0]])
    assert spread(line, 3, first=0) == [0, 3, 2]
    assert spread(np.zeros((5, 2)), 3, first=2) == [2]


def test_the_front_of_two_paraboloids_is_the_segment_between_their_tops() -> None:
    tops = np.array([[0.2, 0.3], [0.8, 0.6]])

    def objectives(x: Any) -> Any:
        return np.column_stack([-((x - top) ** 2).sum(axis=1) for top in tops])

    found = search_front(objectives, [0, 0], [1, 1], Rng(0, ("test",)), population=60, generations=60)
    way = tops[1] - tops[0]
    places = (found - tops[0]) @ way / (way @ way)
    off = np.linalg.norm(found - tops[0] - places[:, None] * way, axis=1)
    assert off.max() < 0.05
    # Inverted generational distance: each point of the segment has one nearby.
    wanted = tops[0] + np.linspace(0, 1, 21)[:, None] * way
    distances = np.linalg.norm(wanted[:, None] - found[None], axis=2).min(axis=1)
    assert distances.mean() < 0.03


def test_a_missing_search_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def refuse(name: str, *args: Any, **kwargs: Any) -> Any:
        if name.startswith("pymoo"):
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(MissingExtraError, match=r"calculemus\[evolve\]"):
        search_front(lambda x: x, [0], [1], Rng(0))
    with pytest.raises(MissingExtraError, match=r"calculemus\[evolve\]"):
        hyper_volume(np.zeros((1, 2)), [0, 0])


@given(st.lists(st.floats(0.01, 1.5), min_size=1, max_size=4))
def test_directions_have_length_one_and_the_angles_they_were_made_of(angles: list[float]) -> None:
    unit = direction(np.array(angles))
    assert np.linalg.norm(unit) == pytest.approx(1)
    np.testing.assert_allclose(angles_of(unit), angles, atol=1e-6)


@given(st.integers(0, 10_000), st.integers(1, 4))
def test_what_is_drawn_from_a_bin_lies_in_it(seed: int, n: int) -> None:
    bins, draws = Bins(n, 2.0), np.random.default_rng(seed)
    place = bins.at_random(draws)
    point = bins.draw(place, draws)
    assert bins.of(point) == place
    assert (point >= 0).all()
    assert 0.4 <= np.linalg.norm(point) <= 1.6


def test_bins_are_tried_where_the_errors_are() -> None:
    bins, draws = Bins(2), np.random.default_rng(0)
    places = [(r, a) for r in range(3) for a in range(2)]
    points = np.array([bins.draw(place, draws) for place in places])
    errors = np.where([place == (1, 1) for place in places], 1.0, 0.0)
    assert set(bins.choose(points, errors, 50, 0.05, draws)) == {(1, 1)}
    # Where nothing is known of the errors, all bins are as good.
    assert len(set(bins.choose(points, np.full(6, np.nan), 200, 0.05, draws))) == 6


@pytest.fixture(scope="module")
def guesses(tmp_path_factory: pytest.TempPathFactory) -> GuessFamily:
    return guess_family(tmp_path_factory.mktemp("guesses"), 4)


def trial(family: GuessFamily, n: int, seed: int = 0) -> Trial:
    return Trial(family.model(), family.base, family.experts[:n], family.tasks[:n], Rng(seed, ("test",)))


SMALL: dict[str, Any] = {"n_checks": 3, "generations": 3, "population": 20}


@pytest.mark.parametrize("variant", ["plain", "bayesian"])
def test_merges_are_counted_and_what_is_returned_was_measured(guesses: GuessFamily, variant: Any) -> None:
    tried = trial(guesses, 2)
    found = MapPareto(variant=variant, n_points=8, **SMALL).front(tried)
    assert 8 * 2 < found.n_evaluations <= (8 + 3) * 2
    score = score_of(tried)
    for point, scores in zip(found.measured.points, found.measured.scores, strict=True):
        assert score(point).tolist() == scores.tolist()
    assert not_dominated(found.measured.scores) == list(range(len(found.measured.scores)))


@pytest.mark.parametrize(("n", "evaluations"), [(2, 2), (3, 5), (4, 8)])
def test_nested_takes_the_evaluations_of_a_tree_of_merges(
    guesses: GuessFamily, n: int, evaluations: int
) -> None:
    # Each merge of two is tried on the tasks of both sides: 2 + 2 + 4 for four models, 2 + 3 for three.
    found = MapPareto(variant="nested", n_points=7, **{**SMALL, "n_checks": 0}).front(trial(guesses, n))
    assert found.n_evaluations == 7 * evaluations
    assert found.measured.points.shape[1] == n
    assert found.measured.scores.shape[1] == n


def test_nested_scores_are_those_of_the_models_coefficients(guesses: GuessFamily) -> None:
    tried = trial(guesses, 3)
    found = MapPareto(variant="nested", n_points=6, **SMALL).front(tried)
    score = score_of(tried)
    for point, scores in zip(found.measured.points, found.measured.scores, strict=True):
        np.testing.assert_allclose(score(point), scores, atol=1e-12)


def test_the_chosen_merge_is_the_preferred_one_and_merges_again_from_its_file(
    guesses: GuessFamily, tmp_path: Path
) -> None:
    tried = trial(guesses, 2)
    found = MapPareto(n_points=8, preference=(0.9, 0.1), **SMALL).calibrate(tried)
    accuracies = np.array(found.record["accuracies"])
    best = int((accuracies @ [0.9, 0.1]).argmax())
    assert all(row == found.record["coefficients"][best] for row in found.weights.values())
    found.save(tmp_path)
    again = read_calibrated(tmp_path)
    measured = tried.measure_plan(again.plan(tried.models, tried.base))
    assert [measured[task.name].accuracy for task in tried.tasks] == accuracies[best].tolist()
    assert json.loads(json.dumps(found.record)) == found.record


def test_nothing_is_written_while_merges_are_tried(guesses: GuessFamily) -> None:
    folder = guesses.base.folder.parent
    before = sorted(folder.rglob("*"))
    MapPareto(n_points=6, **SMALL).front(trial(guesses, 2))
    assert sorted(folder.rglob("*")) == before


def test_the_search_stays_within_what_was_tried(guesses: GuessFamily) -> None:
    found = MapPareto(n_points=8, most=0.5, **SMALL).front(trial(guesses, 2))
    assert found.predicted.min() >= 0
    assert found.predicted.max() <= 0.5


def test_scores_that_never_change_are_said(guesses: GuessFamily) -> None:
    heard: list[Any] = []
    same = Trial(guesses.model(), guesses.base, [guesses.base] * 2, guesses.tasks[:2])
    with listening(heard.append):
        found = MapPareto(**SMALL).front(same)
    assert "nothing to trade off" in heard[0].message
    assert len(found.measured.points) == 1
    assert found.r_squared is None


def test_fewer_merges_than_unknowns_are_refused_before_any_is_tried(guesses: GuessFamily) -> None:
    with pytest.raises(InvalidParameterError, match="'n_points' is 5"):
        MapPareto(n_points=5).front(trial(guesses, 2))


def test_a_preference_for_other_tasks_is_refused(guesses: GuessFamily) -> None:
    for preference in ((0.5,), (1.0, 0.0)):
        with pytest.raises(InvalidParameterError, match="preference"):
            MapPareto(n_points=8, preference=preference, **SMALL).front(trial(guesses, 2))


def test_nested_wants_two_models_and_a_task_for_each(guesses: GuessFamily) -> None:
    with pytest.raises(InvalidParameterError, match="one model"):
        MapPareto(variant="nested").front(trial(guesses, 1))
    uneven = Trial(guesses.model(), guesses.base, guesses.experts[:2], guesses.tasks[:3])
    with pytest.raises(InvalidParameterError, match="a task for each model"):
        MapPareto(variant="nested").front(uneven)


def test_a_search_for_a_front_is_its_streams_own() -> None:
    def once(seed: int) -> Any:
        return search_front(lambda x: np.column_stack([x, -(x**2)]), [-1], [1], Rng(seed), 12, 3)

    assert np.array_equal(once(0), once(0))
    assert not np.array_equal(once(0), once(1))
