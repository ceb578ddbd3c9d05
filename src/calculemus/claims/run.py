"""Running a claim: each arm once for each seed, each contrast judged, and the control."""

from calculemus.card import Card
from calculemus.catalog import load_claim
from calculemus.claim import Claim, Contrast, Measured
from calculemus.claims.judge import Effect, judge
from calculemus.claims.lab import StudyLab
from calculemus.claims.result import ClaimResult
from calculemus.errors import ClaimError
from calculemus.events import note
from calculemus.rng import Rng

OTHER_SEEDS = 1_000_003
"""Added to the seeds of the second arm of a control, which must not be the first one again."""


def run_claim(card: Card, lab: StudyLab) -> ClaimResult:
    """Measure what a method's claim says.

    Raises:
        CardError: The method has no claim, or it cannot be imported.
        ClaimError: It is no claim, or its arms cannot be compared.
        CalculemusError: What the arms raise.
    """
    claim = _claim(card)
    measured: dict[tuple[str, str, tuple[int, ...]], Measured] = {}

    def measure(arm: str, contrast: Contrast, seeds: tuple[int, ...]) -> Measured:
        key = arm, contrast.on, seeds
        if key not in measured:
            note(f"{card.id}: measuring {arm}{contrast.on and f' on {contrast.on}'}")
            measured[key] = claim.measure(arm, contrast, lab.reseeded(seeds))
            if not isinstance(measured[key], Measured):
                raise ClaimError(
                    f"measuring {arm} for the claim of '{card.id}': found {type(measured[key]).__name__}; "
                    "expected Measured from its 'measure'"
                )
        return measured[key]

    def effect(contrast: Contrast) -> Effect:
        is_itself = contrast.treatment == contrast.baseline
        others = tuple(seed + OTHER_SEEDS for seed in lab.seeds) if is_itself else lab.seeds
        baseline = measure(contrast.baseline, contrast, lab.seeds)
        treatment = measure(contrast.treatment, contrast, others)
        return judge(contrast, baseline, treatment, Rng(lab.seeds[0], ("claim", card.id, contrast.name)))

    return ClaimResult(
        card=card,
        size=lab.size,
        seeds=lab.seeds,
        model=lab.model_name,
        effects=tuple(effect(contrast) for contrast in claim.contrasts),
        control=effect(claim.control),
    )


def _claim(card: Card) -> Claim:
    found = getattr(load_claim(card), "CLAIM", None)
    if not isinstance(found, Claim):
        raise ClaimError(
            f"running the claim of '{card.id}': {card.id}_claim.py has "
            f"{'no CLAIM' if found is None else f'a CLAIM of type {type(found).__name__}'}; expected "
            "CLAIM = Claim(contrasts=..., control=..., measure=...)"
        )
    return found
