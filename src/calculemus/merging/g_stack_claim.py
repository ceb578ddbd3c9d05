"""Grown models against one trained from scratch: loss for the same operations, and operations to its loss.

Units are runs with weights and rows of their own, since runs differ more than rows do.
"""

from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from torch import nn

from calculemus.checkpoint import Checkpoint
from calculemus.claim import Claim, Contrast, Lab, Measured
from calculemus.cost import Cost, forward_flops
from calculemus.merging.executor import Executor
from calculemus.merging.g_stack import GStack
from calculemus.merging.structure import plan_edit
from calculemus.named import build, parse_named
from calculemus.rng import Rng
from calculemus.tiny.arith_family import ArithRecipe, fresh, load, mixed, together, tokenizer
from calculemus.tiny.save import save
from calculemus.tuning.fitting import Fit, fitting
from calculemus.tuning.growing import Mask, masked
from calculemus.tuning.text_task import TextTask, encode
from calculemus.tuning.threads import one_thread

SCRATCH, STACK = "scratch", "g_stack"
LOSS = Contrast("loss at equal operations", SCRATCH, STACK, "lower", metric="loss, in nats a token")
SPEED = Contrast(
    "operations to the loss from scratch",
    SCRATCH,
    STACK,
    "lower",
    metric="share of the operations from scratch",
    on="operations",
)
RANDOM = Contrast("new random layers", STACK, f"{STACK}:operator=random", "higher", metric=LOSS.metric)
INTERLEAVED = Contrast(
    "layers repeated where they stand", STACK, f"{STACK}:operator=interleave", "higher", metric=LOSS.metric
)
_BACKWARD_TOO = 3  # a backward pass is two forward ones
_LOOKED_AT = 500
_INTO_STREAM = ("self_attn.o_proj", "mlp.down_proj")


@dataclass(frozen=True)
class Setting:
    """An experiment of one size.

    Attributes:
        recipe: Shape and skills of the small model.
        steps: Of the large model from scratch.
        small_steps: Of the small model, before it grows.
        factor: By which it grows.
        rows: Of a step.
        every: Steps of the large model between two looks at the loss.
        runs: How many.
    """

    recipe: ArithRecipe
    steps: int
    small_steps: int
    factor: int
    rows: int
    every: int
    runs: int

    @property
    def task(self) -> TextTask:
        """All skills together; of the rows to look at on the way, as many as tell losses apart."""
        every = together(self.recipe.base)
        return replace(every, dev=every.dev[:: max(1, len(every.dev) // _LOOKED_AT)])


SMOKE = Setting(ArithRecipe(base=("max",), d_model=16, n_layers=1), 12, 12, 2, 16, 4, 3)
SMALL = Setting(ArithRecipe(d_model=32, n_layers=2), 250, 120, 4, 64, 10, 4)


@dataclass
class Run:
    """One training.

    Attributes:
        flops: Spent so far.
        curve: Operations spent and the loss on dev rows, at each look, as long as the rate does not fall.
        loss: On test rows, at the end.
    """

    flops: float = 0.0
    curve: list[tuple[float, float]] = field(default_factory=list)
    loss: float = 0.0


def measure(arm: str, contrast: Contrast, lab: Lab) -> Measured:
    """Train the runs of an arm."""
    setting = SMOKE if lab.size == "smoke" else SMALL
    found: dict[str, tuple[float, ...]] = {}
    flops = 0.0
    for number in range(setting.runs):
        with one_thread():
            runs, scratch = (
                [run(name, setting, seed * setting.runs + number) for seed in lab.seeds]
                for name in (arm, SCRATCH)
            )
        flops += sum(each.flops for each in runs)
        found[f"run {number}"] = tuple(
            _needed(each, reference) if contrast.on == "operations" else each.loss
            for each, reference in zip(runs, scratch, strict=True)
        )
    return Measured(found, replace(Cost(), flops=flops))


def _needed(each: Run, scratch: Run) -> float:
    """Return the share of the operations after which a run is at the last loss from scratch; 1 if never."""
    most, wanted = scratch.curve[-1]
    return next((flops / most for flops, loss in each.curve if loss <= wanted and flops <= most), 1.0)


@cache  # contrasts share runs
def run(arm: str, setting: Setting, seed: int) -> Run:
    """Train a model, or a small one that grows, until the operations of the one from scratch are spent."""
    recipe = replace(setting.recipe, seed=seed)
    large = replace(recipe, n_layers=recipe.n_layers * setting.factor)
    budget = setting.steps * step_flops(large, setting)
    if arm == SCRATCH:
        model, found, mask = fresh(large), Run(), Mask(1.0)
    else:
        model, found = fresh(recipe), Run()
        _train(model, found, setting, Rng(seed, ("small",)), setting.small_steps, step_flops(recipe, setting))
        values = parse_named(arm)[1]
        edit = build(GStack, {"factor": str(setting.factor), **values})
        with TemporaryDirectory() as folder:
            save(model, tokenizer(), Path(folder) / "small")
            model = load(grow(edit, Path(folder)))
        mask = Mask(1.0 if edit.operator != "random" else 0.0)
    left = int((budget - found.flops) / step_flops(large, setting))
    with masked(_new_projections(model, recipe.n_layers), mask):
        _train(model, found, setting, Rng(seed, ("large",)), left, step_flops(large, setting), mask)
    found.loss = setting.task.mean_loss(model, "test")
    return found


def step_flops(recipe: ArithRecipe, setting: Setting) -> float:
    """Return the operations of a step, each row as long as the longest."""
    width = encode(setting.task.dev, tokenizer()).input_ids.shape[1] - 1
    # The table of embeddings is the output layer, too.
    parameters = sum(weight.numel() for weight in fresh(recipe).parameters())
    row = forward_flops(parameters, recipe.n_layers, recipe.d_model, width)
    return _BACKWARD_TOO * setting.rows * row


def _train(
    model: nn.Module,
    found: Run,
    setting: Setting,
    rng: Rng,
    steps: int,
    flops: float,
    mask: Mask | None = None,
) -> None:
    """Train a model in place; look at its loss as long as the rate stays, since losses fall with it."""
    task, fit = setting.task, Fit(steps=steps, warmup=20)
    stays, half = round(steps * (1 - fit.cooldown)), max(1, steps // 2)
    for record in fitting(model, mixed({task.name: 1.0}, rng, setting.rows), task.loss, fit):
        found.flops += flops
        if mask is None:
            continue
        mask.value = min(1.0, max(mask.value, record.step / half))
        if record.step == stays or (record.step < stays and record.step % setting.every == 0):
            found.curve.append((found.flops, task.mean_loss(model, "dev")))


def grow(edit: GStack, folder: Path) -> Checkpoint:
    """Return the model that the one in a folder grows into, in the same folder."""
    small = Checkpoint.open(folder / "small")
    Executor().merge(plan_edit(edit, [small]), folder / "large")
    return Checkpoint.open(folder / "large")


def _new_projections(model: nn.Module, n_old: int) -> list[nn.Module]:
    """Return what writes into the stream in layers on top of the old ones."""
    layers = list(model.get_submodule("model.layers").children())[n_old:]
    return [layer.get_submodule(name) for layer in layers for name in _INTO_STREAM]


CLAIM = Claim((LOSS, SPEED, RANDOM, INTERLEAVED), control=LOSS.without_treatment(), measure=measure)
