"""Merging into memory: the same numbers as in files, for searches that try many merges and keep one."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

from calculemus.checkpoint.bits import to_float32
from calculemus.merging.base import Gathering, Numbers
from calculemus.merging.computing import Computing, one_blas_thread, read_whole
from calculemus.merging.plan import Plan, Step


def merge_in_memory(plan: Plan, threads: int = 1) -> Mapping[str, Numbers]:
    """Return the tensors of a merged model in float32, each rounded once to the dtype that a file would have.

    Tensors that hold no floating-point numbers are left out.

    Raises:
        CheckpointError: A file ends early, or numbers that are read or merged are not finite.
    """
    computing = Computing(plan, threads)
    found, _ = computing.gather_model()
    steps = [step for step in plan.steps if step.tensor.dtype.is_float]
    with one_blas_thread(), ThreadPoolExecutor(threads) as pool:
        tensors = pool.map(lambda step: _merged(computing, step, found), steps)
        return {step.tensor.name: numbers for step, numbers in zip(steps, tensors, strict=True)}


def _merged(computing: Computing, step: Step, found: Gathering | None) -> Numbers:
    if step.is_copy:
        return read_whole(step.inputs[0]).reshape(step.tensor.shape)
    found, _ = computing.gather(step, found)
    raw = b"".join(run.tobytes() for _, run in computing.merged(step, found))
    return to_float32(raw, step.tensor.dtype).reshape(step.tensor.shape)
