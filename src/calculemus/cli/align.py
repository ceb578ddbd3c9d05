"""``calculemus align``: a model with the vocabulary of another one."""

from pathlib import Path


def align(model: str, *, to: str, out: Path) -> None:
    """Write a model with the vocabulary of another one, so that both can be merged.

    Tokens that it lacks get the other model's embeddings; tokens that the other lacks are left out. If the
    other one has a head of its own, so has the result.

    Args:
        model: A folder, a file or a hub id in the local cache.
        to: The model whose vocabulary it is to have.
        out: A new folder.
    """
    import shutil

    from calculemus.cli.checkpoints import open_checkpoint
    from calculemus.cli.output import print_text
    from calculemus.merging.alignment import CopyAll, align_models
    from calculemus.merging.executor import Executor
    from calculemus.merging.structure import plan_edit

    work = out.with_name(f".{out.name}.aligned")
    try:
        found = align_models([open_checkpoint(model)], open_checkpoint(to), "base", work)
        merged = Executor().merge(plan_edit(CopyAll(), found.models), out)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    print_text(
        f"{merged.folder}: {model} with {found.n_rows} rows of embeddings for the "
        f"{len(found.vocabulary.ids)} tokens of {to}, {found.n_missing[0]} of them from there"
    )
