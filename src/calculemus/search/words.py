"""Words of cards and of searches, brought to one spelling.

Both sides go through the same function. It must bring together what belongs together; a word that it spells
in a way of its own does no harm.
"""

import re
from functools import lru_cache

_STOP_WORDS = """
a an and any are as at be been but by can do does for from get gets give given has have how i if in into is it
its make makes me my no not of on one or our so some such than that the their them then there these they this
to up us use used using want was way we what when where which who why will with would you your
"""
STOP_WORDS = frozenset(_STOP_WORDS.split())
"""Words that tell no card from another."""

ABBREVIATIONS = {
    "cnn": "convolutional neural network",
    "cot": "chain of thought",
    "dpo": "direct preference optimization",
    "grpo": "group relative policy optimization",
    "kv": "key value",
    "llm": "language model",
    "lm": "language model",
    "mcts": "monte carlo tree search",
    "mllm": "multimodal language model",
    "moe": "mixture of experts",
    "orm": "outcome reward model",
    "peft": "parameter efficient fine tuning",
    "ppo": "proximal policy optimization",
    "prm": "process reward model",
    "ptq": "post training quantization",
    "qat": "quantization aware training",
    "rag": "retrieval augmented generation",
    "rl": "reinforcement learning",
    "sft": "supervised fine tuning",
    "slm": "small language model",
    "svd": "singular value decomposition",
    "tir": "tool integrated reasoning",
    "vit": "vision transformer",
    "vlm": "vision language model",
}
"""What the field abbreviates. Written out on both sides, one finds the other."""

_AMERICAN = {
    "artefact": "artifact",
    "defence": "defense",
    "enrol": "enroll",
    "fulfil": "fulfill",
    "grey": "gray",
    "judgement": "judgment",
    "learnt": "learned",
    "licence": "license",
    "maths": "math",
    "offence": "offense",
    "practise": "practice",
    "programme": "program",
    "sceptic": "skeptic",
    "sceptical": "skeptical",
    "spelt": "spelled",
    "whilst": "while",
}
_RULES = (
    (re.compile(r"is(e|es|ed|er|ers|ing|able|ation|ations|ational)$"), r"iz\1"),
    (re.compile(r"ys(e|es|ed|er|ers|ing)$"), r"yz\1"),
    (re.compile(r"([aeiou].*)our(s|ed|ing|al|ally|able|ful|hood|ite|ites)?$"), r"\1or\2"),
    (re.compile(r"([aeiouy][^aeiouy]+[aeiou]l)l(ed|er|ers|ing)$"), r"\1\2"),
    (re.compile(r"([^aeiouy])re(s?)$"), r"\1er\2"),
    (re.compile(r"([^aeiouyr])red$"), r"\1ered"),
    (re.compile(r"ogue(s?)$"), r"og\1"),
)
_WORD = re.compile(r"[^\W_]+")


def words(text: str) -> list[str]:
    """Return the words of a text: small letters, American spelling, abbreviations written out.

    Example:
        >>> words("Optimised CoT: behaviour of modelling_x")
        ['optimized', 'chain', 'of', 'thought', 'behavior', 'of', 'modeling', 'x']
    """
    return [american(part) for word in _WORD.findall(text.lower()) for part in _written_out(word).split()]


@lru_cache(maxsize=2**14)  # cards say the same words over and over
def american(word: str) -> str:
    """Return a word of small letters in its American spelling.

    Example:
        >>> american("quantisation"), american("centre"), american("four"), american("called")
        ('quantization', 'center', 'four', 'called')
    """
    singular = word.removesuffix("s")
    if word in _AMERICAN or singular in _AMERICAN:
        return _AMERICAN.get(word) or _AMERICAN[singular] + "s"
    for pattern, replacement in _RULES:
        word, n_changes = pattern.subn(replacement, word)
        if n_changes:
            break
    return word


def _written_out(word: str) -> str:
    return ABBREVIATIONS.get(word) or ABBREVIATIONS.get(word.removesuffix("s"), word)
