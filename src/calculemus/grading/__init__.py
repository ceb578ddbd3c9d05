r"""Grading: does a response give the answer, by which rule, and how much does that depend on the grader.

Example:
    >>> from calculemus import Problem
    >>> from calculemus.grading import get_grader
    >>> verdict = get_grader("default").grade(Problem("q", "?", "1/2"), r"So it is $\frac{3}{6}$.")
    >>> verdict.outcome, verdict.extracted, verdict.how
    ('correct', '\\frac{3}{6}', 'formula/scalar')
"""

import difflib
from importlib import import_module

from calculemus.errors import GradingError
from calculemus.grading.base import Grader, grader_id

__all__ = ["PROFILES", "Grader", "get_grader", "grader_id"]

# name of the profile: what makes its grader, imported when asked for
PROFILES = {
    "default": "calculemus.grading.profiles:default",
    "boxed": "calculemus.grading.profiles:boxed",
    "game24": "calculemus.grading.game24:Game24Grader",
    "gsm8k_flexible": "calculemus.grading.profiles:gsm8k_flexible",
    "gsm8k_strict": "calculemus.grading.openai_gsm8k:OpenaiGsm8k",
    "lm_eval_strict": "calculemus.grading.lm_eval:LmEvalStrict",
    "lm_eval_flexible": "calculemus.grading.lm_eval:LmEvalFlexible",
    "minerva_math": "calculemus.grading.minerva_math:MinervaMath",
    "prm800k": "calculemus.grading.prm800k:Prm800k",
    "qwen25_math": "calculemus.grading.qwen_math:Qwen25Math",
    "tabletop": "calculemus.grading.tabletop:TabletopGrader",
    "math_verify": "calculemus.grading.math_verify_adapter:MathVerify",
}


def get_grader(name: str) -> Grader:
    """Return the grader of a profile.

    Raises:
        GradingError: No profile has that name.
    """
    entry = PROFILES.get(name)
    if entry is None:
        near = difflib.get_close_matches(name, PROFILES, n=3)
        hint = f"did you mean {' or '.join(near)}? " if near else ""
        raise GradingError(f"choosing a grader: there is no '{name}'; {hint}profiles: {', '.join(PROFILES)}")
    module, _, attribute = entry.partition(":")
    return getattr(import_module(module), attribute)()
