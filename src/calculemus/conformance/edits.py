"""Checks of structure edits: what is copied is copied to the bit, and models stay as they are."""

from typing import Any

from calculemus.conformance.checkpoints import contents, file_bytes, trial_models
from calculemus.conformance.quiet import kept_quiet, time_limit
from calculemus.conformance.registry import check
from calculemus.conformance.subject import Subject
from calculemus.errors import MissingExtraError, NotConformingError


def edited(subject: Subject) -> tuple[Any, Any]:
    """Return the layout of the trial models, and the model that was put together; ask by ``subject.once``."""
    from calculemus.checkpoint import Checkpoint
    from calculemus.merging.executor import Executor
    from calculemus.merging.structure import plan_edit

    trials, edit = subject.once(trial_models), subject.method
    models = trials.tuned[: max(edit.fewest, min(2, edit.most or 2))]
    folder = trials.folder / f"edited{len(list(trials.folder.iterdir()))}"
    doing = f"{subject.name}: editing {len(models)} trial models"
    with kept_quiet(), time_limit(subject.patience, doing):
        try:
            layout = edit.layout(models)
            Executor(threads=2).merge(plan_edit(edit, models), folder)
        except MissingExtraError:
            raise
        except Exception as error:  # whatever it raises, a model was wanted
            raise NotConformingError(
                f"{doing}: it raised {type(error).__name__}: {error!s:.300}; expected a model"
            ) from error
    return layout, Checkpoint.open(folder)


@check("StructureEdit")
def what_is_copied_is_copied_to_the_bit(subject: Subject) -> None:
    """A tensor from one place at scale 1, unchanged, has the bytes that stand there."""
    trials, (layout, made) = subject.once(trial_models), subject.once(edited)
    for name, sources in layout.tensors.items():
        if len(sources) > 1 or sources[0].scale != 1 or sources[0].change is not None:
            continue
        source = sources[0]
        if made.read_bytes(name) != trials.tuned[source.model].read_bytes(source.name):
            raise NotConformingError(
                f"{subject.name}: '{name}' is not '{source.name}' of model {source.model}, as its table says"
            )


@check("StructureEdit")
def it_has_the_tensors_and_configuration_of_its_table(subject: Subject) -> None:
    """The tensors are those of the table, and the configuration is the parent's but for the changes."""
    trials, (layout, made) = subject.once(trial_models), subject.once(edited)
    if set(made) != set(layout.tensors):
        raise NotConformingError(
            f"{subject.name}: the model has the tensors {sorted(made)}; expected {sorted(layout.tensors)}"
        )
    expected = {**trials.tuned[layout.like].config, **layout.config}
    if made.config != expected:
        raise NotConformingError(
            f"{subject.name}: the configuration is {dict(made.config)}; expected {expected}"
        )


@check("StructureEdit")
def an_edit_leaves_its_models_alone_and_repeats(subject: Subject) -> None:
    """No file of a model changes, and the same edit gives the same model again."""
    trials = subject.once(trial_models)
    before = [file_bytes(model.folder) for model in trials.tuned]
    first = contents(subject.once(edited)[1])
    if contents(edited(subject)[1]) != first:
        raise NotConformingError(f"{subject.name}: the same edit gave another model; expected the same bytes")
    if [file_bytes(model.folder) for model in trials.tuned] != before:
        raise NotConformingError(f"{subject.name}: it changed a file of a model; expected them as they were")
