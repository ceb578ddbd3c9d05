"""Checks of merges: nothing comes from nothing, and neither order nor layout of models matters."""

import math
import tracemalloc
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import permutations
from tempfile import TemporaryDirectory
from typing import Any

from calculemus.conformance.chance import known_states, shifted
from calculemus.conformance.checkpoints import (
    EMBEDDINGS,
    SHAPES,
    contents,
    file_bytes,
    trial_models,
    write_model,
)
from calculemus.conformance.quiet import kept_quiet, time_limit
from calculemus.conformance.registry import check
from calculemus.conformance.subject import Subject
from calculemus.errors import CheckpointMismatchError, MissingExtraError, NotConformingError

_UNEVEN = (0.5, 2.0, 1.25)
_SHORT_RUN = 256
_ROUNDING = 3e-7
"""Relative and absolute error that sums and differences on the way leave in float32."""
_WIDTH = 128
_SOME_TENSORS = 8


def n_models(subject: Subject) -> int:
    """Return how many models a method is tried on."""
    method = subject.method
    return max(method.fewest, min(3, method.most or 3))


def settle(subject: Subject, models: Sequence[Any], base: Any = None, **options: Any) -> Any:
    """Return the plan of a merge, by default with the trial models' base; options are ``plan_merge``'s."""
    from calculemus.merging.plan import plan_merge

    base = base or subject.once(trial_models).base
    return plan_merge(subject.method, models, base if subject.method.needs_base else None, **options)


def run(subject: Subject, plan: Any, length: int = 1 << 16, threads: int = 1) -> Any:
    """Run a plan into a new folder, and open what came of it."""
    from calculemus.checkpoint import Checkpoint
    from calculemus.merging.executor import Executor

    trials = subject.once(trial_models)
    folder = trials.folder / f"merged{len(list(trials.folder.iterdir()))}"
    doing = f"{subject.name}: merging {len(plan.steps)} tensors of trial models"
    with kept_quiet(), time_limit(subject.patience, doing):
        try:
            Executor(threads, length).merge(plan, folder)
        except MissingExtraError:
            raise
        except Exception as error:  # whatever it raises, a model was wanted
            raise NotConformingError(
                f"{doing}: it raised {type(error).__name__}: {error!s:.300}; expected a merged model"
            ) from error
    return Checkpoint.open(folder)


def merge(subject: Subject, models: Sequence[Any], **options: Any) -> Any:
    """Merge models into a new folder and open what came of it; options are those of ``settle``."""
    return run(subject, settle(subject, models, **options))


def _models(subject: Subject) -> Sequence[Any]:
    return subject.once(trial_models).tuned[: n_models(subject)]


def _weights(subject: Subject, order: Sequence[int]) -> list[float]:
    return [_UNEVEN[i] if subject.method.takes_weights else 1.0 for i in order]


def _merged(subject: Subject) -> dict[str, bytes]:
    """Return the plain merge of the trial models; ask by ``subject.once``."""
    return contents(merge(subject, _models(subject)))


def _require_same(
    subject: Subject, found: Mapping[str, bytes], expected: Mapping[str, bytes], what: str
) -> None:
    other = [name for name in expected if found.get(name) != expected[name]]
    if other or len(found) != len(expected):
        raise NotConformingError(
            f"{subject.name}: {what} changed {', '.join(other[:3])}; expected the same bytes. Compute each "
            "number from what stands at its place, and from what gather() found of the whole tensor"
        )


def _require_model(subject: Subject, found: Any, model: Any, what: str) -> None:
    """See that a merged model is a model: to the bit in 16 bits, up to the last rounding in float32."""
    for name, entry in model.entries.items():
        if entry.dtype.name != "F32":
            is_same = found.read_bytes(name) == model.read_bytes(name)
        else:
            pairs = zip(found.read(name).ravel().tolist(), model.read(name).ravel().tolist(), strict=True)
            is_same = all(math.isclose(a, b, rel_tol=_ROUNDING, abs_tol=_ROUNDING) for a, b in pairs)
        if not is_same:
            raise NotConformingError(
                f"{subject.name}: merging {what} changed '{name}'; expected the model itself. Divide by the "
                "sum of the weights, or add differences to the base"
            )


@check("TensorMerge")
def copies_of_one_model_give_that_model(subject: Subject) -> None:
    """Models that are all the same, the base too where there is one, stay what they are."""
    base = subject.once(trial_models).base
    _require_model(subject, merge(subject, [base] * n_models(subject)), base, "copies of one model")


@check("TensorMerge")
def zero_task_vectors_give_the_base(subject: Subject) -> str | None:
    """Whatever the weights, nothing learned is nothing added."""
    if not subject.method.needs_base:
        return "it has no base"
    base, n = subject.once(trial_models).base, n_models(subject)
    found = merge(subject, [base] * n, weights=_weights(subject, range(n)))
    _require_model(subject, found, base, "copies of the base with other weights")
    return None


@check("TensorMerge")
def tensor_by_tensor_is_the_whole_model(subject: Subject) -> str | None:
    """A tensor alone is merged as it is among the others."""
    if subject.method.gathering_scope == "model":
        return "it looks at the whole model"
    plan, whole = settle(subject, _models(subject)), subject.once(_merged)
    for step in plan.steps:
        name = step.tensor.name
        found = contents(run(subject, replace(plan, steps=(step,))))
        _require_same(subject, found, {name: whole[name]}, "leaving the other tensors out")
    return None


@check("TensorMerge")
def runs_and_threads_change_nothing(subject: Subject) -> None:
    """Short runs and several threads give what long runs and one thread give."""
    found = contents(run(subject, settle(subject, _models(subject)), _SHORT_RUN, threads=3))
    _require_same(subject, found, subject.once(_merged), "cutting tensors into runs")


@check("TensorMerge", unless_tags=("order-sensitive",))
def the_order_of_models_changes_nothing(subject: Subject) -> str | None:
    """Models with their weights may come in any order."""
    models = _models(subject)
    if len(models) == 1:
        return "it takes one model"
    if subject.method.is_ordered:
        raise NotConformingError(
            f"{subject.name}: it says is_ordered, and its card does not; expected the tag order-sensitive too"
        )
    first, *others = [
        contents(merge(subject, [models[i] for i in order], weights=_weights(subject, order)))
        for order in permutations(range(len(models)))
    ]
    for found in others:
        _require_same(subject, found, first, "another order of the models")
    return None


@check("TensorMerge")
def names_dtypes_and_configuration_are_kept(subject: Subject) -> None:
    """Tensors have the parents' names and dtypes, a tied head stays tied, whole numbers stay."""
    base, found = subject.once(trial_models).base, merge(subject, _models(subject))
    for name, entry in base.entries.items():
        other = found.entries.get(name)
        if other is None or (other.dtype, other.shape) != (entry.dtype, entry.shape):
            raise NotConformingError(
                f"{subject.name}: '{name}' is {entry.dtype.name} of shape {entry.shape} and came out as "
                f"{other}; expected the same"
            )
        if not entry.dtype.is_float and found.read_bytes(name) != base.read_bytes(name):
            raise NotConformingError(f"{subject.name}: '{name}' holds whole numbers, and they changed")
    if set(found) != set(base) or not found.is_tied or found.config != base.config:
        raise NotConformingError(
            f"{subject.name}: the merged model has the tensors {sorted(found)} and the configuration "
            f"{dict(found.config)}; expected those of its parents"
        )


@check("TensorMerge")
def a_misfit_is_named_before_any_work(subject: Subject) -> str | None:
    """A model with another vocabulary is refused by the tensor's name and both shapes."""
    trials, models = subject.once(trial_models), _models(subject)
    if len(models) == 1 and not subject.method.needs_base:
        return "it takes one model"
    shapes = {**SHAPES, EMBEDDINGS: ("BF16", (41, 24))}
    with TemporaryDirectory(dir=trials.folder) as folder:
        misfit = write_model(trials.folder / folder / "misfit", 9, 1, shapes=shapes)
        try:
            settle(subject, [*models[:-1], misfit])
            found = "it was taken"
        except CheckpointMismatchError as error:
            if all(part in str(error) for part in (EMBEDDINGS, "40", "41")):
                return None
            found = f"it was refused with '{error}'"
    raise NotConformingError(
        f"{subject.name}: merging a vocabulary of 41 with others of 40: {found}; expected a "
        "CheckpointMismatchError with the tensor's name and both shapes"
    )


@check("TensorMerge")
def models_and_global_generators_are_left_alone(subject: Subject) -> None:
    """No file of a model changes, no global generator moves, and none has a say in what comes out."""
    trials = subject.once(trial_models)
    folders = [model.folder for model in (trials.base, *trials.tuned)]
    before, states = [file_bytes(folder) for folder in folders], known_states()
    expected = subject.once(_merged)
    merge(subject, _models(subject))
    changed = [name for name, state in known_states().items() if states.get(name, state) != state]
    if changed:
        raise NotConformingError(
            f"{subject.name}: it changed the global random state of {', '.join(changed)}; expected draws by "
            "part.uniforms() alone"
        )
    if [file_bytes(folder) for folder in folders] != before:
        raise NotConformingError(f"{subject.name}: it changed a file of a model; expected them as they were")
    with shifted(1):
        found = contents(merge(subject, _models(subject)))
    _require_same(subject, found, expected, "moving the global generators")


@check("TensorMerge")
def a_seed_matters_to_those_that_draw(subject: Subject) -> str | None:
    """Another seed gives another model where the card says that the method draws, else the same one."""
    if subject.card is None:
        return "without a card its tags are unknown"
    is_other = contents(merge(subject, _models(subject), seed=1)) != subject.once(_merged)
    draws = "stochastic" in subject.tags
    if is_other == draws:
        return None
    if draws:
        found, expected = "did not change", "another one. Draw by part.uniforms(), or take the tag off"
    else:
        found, expected = "changed", "the same one. Tag it stochastic"
    raise NotConformingError(f"{subject.name}: another seed {found} the merged model; expected {expected}")


@check("TensorMerge")
def memory_does_not_grow_with_the_model(subject: Subject) -> None:
    """A model of many tensors takes as much memory as one of a few of the same size."""
    few, many = (_peak_bytes(subject, n) for n in (4, 24))
    if many > few + _SOME_TENSORS * 4 * _WIDTH**2:
        raise NotConformingError(
            f"{subject.name}: merging 24 tensors took {many - few} bytes more than merging 4; expected no "
            "more than a few tensors' worth. Keep sums of a tensor in gather(), not its numbers"
        )


def _peak_bytes(subject: Subject, n_tensors: int) -> int:
    trials = subject.once(trial_models)
    shapes = {f"model.layers.{n}.mlp.up_proj.weight": ("F32", (_WIDTH, _WIDTH)) for n in range(n_tensors)}
    with TemporaryDirectory(dir=trials.folder) as folder:
        base = write_model(trials.folder / folder / "base", 0, 1, shapes=shapes)
        models = [
            write_model(trials.folder / folder / f"{n}", n, 1, tuned_from=base, shapes=shapes)
            for n in range(1, 1 + n_models(subject))
        ]
        merge(subject, models, base=base)  # what is compiled on first use counts for neither
        tracemalloc.start()
        try:
            merge(subject, models, base=base)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
