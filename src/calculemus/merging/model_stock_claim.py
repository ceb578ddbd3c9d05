"""Two models merged by their angle against their mean."""

from calculemus.claim import Claim, Contrast, Lab, Measured
from calculemus.merging.contest import accuracy, by_family, merge, n_families, outcomes
from calculemus.tiny.digit_family import DigitRecipe, digit_family

STOCK = Contrast("two models by their angle against their mean", "linear", "model_stock")


def measure(arm: str, contrast: Contrast, lab: Lab) -> Measured:
    """Merge two models that learned to read noisy digits from one base, in other orders."""
    steps = 40 if lab.size == "smoke" else 300

    def measured(seed: int) -> float:
        family = digit_family(DigitRecipe(domains=("noisy",), copies=2, expert_steps=steps, seed=seed))
        return accuracy(outcomes(family, merge(family, arm)))

    return by_family(lab, n_families(lab), measured)


CLAIM = Claim((STOCK,), control=STOCK.without_treatment(), measure=measure)
