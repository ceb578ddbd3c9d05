"""The bench: ratios, forgetting, costs, and rows that can be measured again."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calculemus.checkpoint import Checkpoint
from calculemus.errors import CheckpointMismatchError, InvalidParameterError
from calculemus.merging.bench_making import make, runnable, why_not
from calculemus.merging.bench_manifest import again, manifest, read_manifest, save_manifest
from calculemus.merging.bench_panel import Panel, arith_panel, checkpoint_panel, digit_panel, panel_from
from calculemus.merging.bench_scoring import forgetting, normalised
from calculemus.merging.contest import merge, scores
from calculemus.merging.mergebench import AVERAGE, TUNED, MergeBench, Row, Skipped
from calculemus.merging.portllm import PortLLM
from calculemus.merging.slerp import Slerp
from calculemus.rng import Rng
from calculemus.tiny import MODEL
from calculemus.tiny.arith_family import ArithRecipe
from calculemus.tiny.digit_family import DigitRecipe
from calculemus.tuning.tasks import Score

RECIPE = DigitRecipe(domains=("plain", "turned"), base_steps=20, expert_steps=40, width=16, n_layers=2)
BENCH = MergeBench(("ties:density=0.5", "slerp", "portllm"), scales=(0.2, 0.6))


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A cache of the module's own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def panel(cache: None) -> Panel:
    return digit_panel(RECIPE)


@pytest.fixture(scope="module")
def rows(panel: Panel) -> list[Row | Skipped]:
    return list(BENCH.rows(panel))


def named(rows: list[Row | Skipped], name: str) -> Row:
    (found,) = [row for row in rows if row.name == name]
    assert isinstance(found, Row)
    return found


def score(*figures: float) -> Score:
    return Score({f"{i:04}": figure for i, figure in enumerate(figures)})


def test_an_expert_against_itself_is_one() -> None:
    experts = {"a": score(*[1.0] * 7, 0, 0), "b": score(*[1.0] * 5, 0)}
    found = normalised(experts, experts, Rng(0))
    assert (found.value, found.low, found.high) == (1.0, 1.0, 1.0)


figures = st.lists(st.sampled_from([0.0, 1.0]), min_size=8, max_size=30)


@settings(max_examples=25)
@given(figures, figures)
def test_the_value_is_the_mean_of_the_ratios(a: list[float], b: list[float]) -> None:
    experts = {"a": score(*[1.0] * 5, *[0.0] * (len(a) - 5)), "b": score(*[1.0] * len(b))}
    found = normalised({"a": score(*a), "b": score(*b)}, experts, Rng(0))
    assert found.value == pytest.approx((sum(a) / 5 + sum(b) / len(b)) / 2)


def test_the_interval_is_as_wide_as_that_of_problems_drawn_again() -> None:
    draws = np.random.default_rng(0)
    sizes, merged, experts = {"a": 400, "b": 150}, {}, {}
    for name, n in sizes.items():
        is_right = draws.random(n) < 0.8
        experts[name] = score(*is_right.astype(float))
        merged[name] = score(*(is_right & (draws.random(n) < 0.7)).astype(float))
    found = normalised(merged, experts, Rng(0))
    totals = []
    for _ in range(4000):
        ratios = []
        for name, n in sizes.items():
            drawn = draws.integers(n, size=n)
            m, e = (np.array(list(one[name].outcomes.values()))[drawn] for one in (merged, experts))
            ratios.append(m.mean() / e.mean())
        totals.append(np.mean(ratios))
    low, high = np.quantile(totals, [0.025, 0.975])
    assert found.high - found.low == pytest.approx(high - low, rel=0.1)
    assert (found.low, found.high) == (pytest.approx(low, abs=0.01), pytest.approx(high, abs=0.01))


def test_an_expert_that_learned_nothing_is_refused() -> None:
    experts = {"a": score(*[0.0] * 96, *[1.0] * 4)}
    with pytest.raises(InvalidParameterError, match="the expert of 'a'"):
        normalised(experts, experts, Rng(0))


def test_the_base_forgets_nothing_and_losses_count_up() -> None:
    base = {"x": score(1, 1, 1, 1, 0, 0, 1, 1, 1, 1)}
    same = forgetting(base, base, Rng(0))
    assert same is not None
    assert same.delta == 0
    worse = forgetting({"x": score(0, 0, 1, 1, 0, 0, 1, 1, 1, 1)}, base, Rng(0))
    assert worse is not None
    assert worse.delta == pytest.approx(0.2)
    assert forgetting({}, {}, Rng(0)) is None


def test_rows_are_base_experts_average_tuned_and_methods(rows: list[Row | Skipped]) -> None:
    assert [row.name for row in rows] == [
        "base",
        "expert: plain",
        "expert: turned",
        AVERAGE,
        TUNED,
        "ties:density=0.5",
        "slerp",
        "portllm",
    ]


def test_a_row_is_what_calling_the_method_by_hand_gives(panel: Panel, rows: list[Row | Skipped]) -> None:
    for name, text in {"ties:density=0.5": "ties:density=0.5", AVERAGE: "linear"}.items():
        by_hand = scores(panel, merge(panel, text))
        accuracies = {task: found.accuracy for task, found in by_hand.items()}
        assert named(rows, name).accuracies == accuracies
        experts = {t.name: named(rows, f"expert: {t.name}").accuracies[t.name] for t in panel.tasks}
        ratio = sum(accuracies[task] / experts[task] for task in experts) / len(experts)
        assert named(rows, name).normalised.value == pytest.approx(ratio)


def test_the_tuned_scale_is_the_best_on_rows_to_choose_by(panel: Panel, rows: list[Row | Skipped]) -> None:
    def on_dev(scale: float) -> float:
        found = scores(panel, merge(panel, f"task_arithmetic:scale={scale}"), "dev")
        return sum(score.accuracy for score in found.values())

    best = max(BENCH.scales, key=on_dev)
    assert named(rows, TUNED).method == f"task_arithmetic:scale={best}"


def test_costs_are_of_the_files(panel: Panel, rows: list[Row | Skipped]) -> None:
    all_models = panel.base.n_bytes + sum(expert.n_bytes for expert in panel.experts)
    average, tuned = named(rows, AVERAGE).cost, named(rows, TUNED).cost
    assert average.bytes_read == all_models - panel.base.n_bytes
    assert tuned.bytes_read == (len(BENCH.scales) + 1) * all_models
    assert average.bytes_written == tuned.bytes_written == panel.base.n_bytes
    assert tuned.seconds_engine is not None
    assert tuned.seconds_engine > 0
    assert named(rows, "base").cost.known() == {}


def test_what_cannot_merge_these_experts_says_why(rows: list[Row | Skipped]) -> None:
    reasons = {row.name: row.reason for row in rows if isinstance(row, Skipped)}
    assert reasons.keys() == {"slerp", "portllm"}
    assert "it takes 1 beside the base" in reasons["slerp"]
    assert "parts of their own" in reasons["portllm"]


def test_methods_of_the_catalog_are_found_by_their_interface() -> None:
    ids = {card.id for card in runnable()}
    assert {"ties", "linear", "dare_ties", "model_stock"} <= ids
    assert not {"passthrough", "mergebench", "calm"} & ids
    assert why_not(PortLLM, 2)
    assert why_not(Slerp, 2)


def test_without_data_only_methods_on_weights_run(panel: Panel) -> None:
    names = [row.name for row in MergeBench(scales=(0.3,), is_data_free=True).rows(panel)]
    by_interface = {card.id: card.interface for card in runnable() if card.id != "linear"}
    assert names[5:] == [name for name, interface in by_interface.items() if interface == "TensorMerge"]


def test_an_unknown_setting_is_refused_before_work(panel: Panel, tmp_path: Path) -> None:
    with pytest.raises(InvalidParameterError, match="dense"):
        make(panel, "ties:dense=1", tmp_path / "merged", 0)


def test_a_saved_manifest_gives_the_same_rows_again(
    panel: Panel, rows: list[Row | Skipped], tmp_path: Path
) -> None:
    save_manifest(tmp_path / "bench.json", manifest(BENCH, panel, rows))
    found = read_manifest(tmp_path / "bench.json")
    assert all(one.is_same for one in again(found))
    assert found["models"]["base"] == panel.base.digest()


def test_a_row_that_comes_out_otherwise_is_told(panel: Panel, rows: list[Row | Skipped]) -> None:
    found = json.loads(json.dumps(manifest(BENCH, panel, rows)))
    found["rows"][3]["outcomes"] = "0" * 32
    assert [one.row.name for one in again(found) if not one.is_same] == [AVERAGE]


def test_other_models_are_refused(panel: Panel, rows: list[Row | Skipped]) -> None:
    found = json.loads(json.dumps(manifest(BENCH, panel, rows)))
    found["models"]["expert: turned"] = "0" * 32
    with pytest.raises(CheckpointMismatchError, match="expert: turned"):
        list(again(found))


def test_a_file_that_is_no_manifest_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("{}")
    with pytest.raises(InvalidParameterError, match="no manifest"):
        read_manifest(tmp_path / "a.json")


def test_abilities_are_what_no_expert_learned(cache: None) -> None:
    recipe = ArithRecipe(
        base=("copy", "max", "sort"), experts=("copy", "sort@b"), base_steps=1, expert_steps=1, d_model=16
    )
    panel = arith_panel(recipe)
    assert [task.name for task in panel.abilities] == ["max"]
    again_made = panel_from(json.loads(json.dumps(dict(panel.source))))
    assert again_made.base.digest() == panel.base.digest()


def test_a_missing_expert_is_refused(panel: Panel) -> None:
    with pytest.raises(InvalidParameterError, match="1 experts and 2 tasks"):
        replace(panel, experts=panel.experts[:1])


def test_working_memory_does_not_grow_with_the_model(tmp_path: Path) -> None:
    from calculemus.merging.bench_cost import taking
    from calculemus.merging.executor import Executor
    from calculemus.merging.plan import plan_merge
    from calculemus.merging.ties import Ties

    def models(n: int) -> list[Checkpoint]:
        return [many_tensors(tmp_path / f"{n}-{k}", n, k) for k in range(3)]

    def merged(n: int) -> Any:
        base, *tuned = models(n)
        plan = plan_merge(Ties(), tuned, base)
        with taking() as taken:
            Executor(1).merge(plan, tmp_path / f"out-{n}")
        return taken.peak_bytes, base.n_bytes

    merged(2)  # what is compiled on first use counts for neither
    peak, n_bytes = merged(30)
    if peak is None:
        pytest.skip("this system does not tell the peak of memory")
    assert peak < n_bytes  # two task vectors alone would take twice as much


def many_tensors(folder: Path, n: int, seed: int) -> Checkpoint:
    from safetensors.numpy import save_file

    folder.mkdir()
    draws = np.random.default_rng(seed)
    tensors = {f"model.layers.{i}.mlp.up_proj.weight": draws.random((400, 500), np.float32) for i in range(n)}
    save_file(tensors, folder / "model.safetensors")
    (folder / "config.json").write_text("{}")
    return Checkpoint.open(folder)


def test_experts_with_another_chat_template_are_refused(tmp_path: Path) -> None:
    expert = tmp_path / "expert"
    shutil.copytree(MODEL, expert)
    (expert / "chat_template.jinja").write_text("{{ messages[0]['content'] }}")
    with pytest.raises(CheckpointMismatchError, match="another chat template"):
        checkpoint_panel(str(MODEL), [str(MODEL), str(expert)], ["generated:n=4", "generated:n=4,seed=1"])
