"""The mean of models that learned one task against one of them, on average."""

from calculemus.claim import Claim, Contrast, Lab, Measured
from calculemus.merging.contest import accuracy, by_family, merge, n_families, outcomes
from calculemus.tiny.digit_family import DigitFamily, DigitRecipe, digit_family
from calculemus.tuning.weights import read_weights

EACH = "each"
SOUP = Contrast("the mean of four models against one of them", EACH, "linear")


def siblings(lab: Lab, seed: int, n: int) -> DigitFamily:
    """Return models that learned to read noisy digits from one base, in other orders."""
    steps = 40 if lab.size == "smoke" else 300
    return digit_family(DigitRecipe(domains=("noisy",), copies=n, expert_steps=steps, seed=seed))


def measure(arm: str, contrast: Contrast, lab: Lab) -> Measured:
    """Take the accuracy of the models, on average, or that of their merge."""

    def measured(seed: int) -> float:
        family = siblings(lab, seed, 4)
        if arm != EACH:
            return accuracy(outcomes(family, merge(family, arm)))
        each = [accuracy(outcomes(family, read_weights(expert))) for expert in family.experts]
        return sum(each) / len(each)

    return by_family(lab, n_families(lab), measured)


CLAIM = Claim((SOUP,), control=SOUP.without_treatment(), measure=measure)
