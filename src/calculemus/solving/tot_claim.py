"""A search thought by thought against one line of play, on the Game of 24 with players that know its moves.

The player is no model: asked for next steps it lists every move, asked for a solution it plays moves drawn at
random. What is measured is the search, by how good its judge is.
"""

import re
from fractions import Fraction

from calculemus.claim import Claim, Contrast, Lab, Measured
from calculemus.engine.scripted import ScriptedEngine
from calculemus.problems.game24 import Hand, is_solvable, moves
from calculemus.rng import Rng

ONE_LINE = "cot:temperature=0.7"
SEARCH = "tot:evaluate=head"
ERRS = 0.1  # of how many states the noisy judge thinks the opposite
JUDGES = {"a noisy judge": ERRS, "an oracle": 0.0, "a coin": 0.5}

NOISY, ORACLE, COIN = (
    Contrast(f"tree of thoughts with {judge} against one line of play", ONE_LINE, SEARCH, on=judge)
    for judge in JUDGES
)

_STEP = re.compile(r"(.+) ([-+*/]) (.+) = (\S+) \(left: (.+)\)")


def own_part(prompt: str) -> str:
    """Return what a prompt says of its own problem, behind the examples."""
    return prompt[prompt.rindex("Q: ") :]


def numbers_of(prompt: str) -> list[Fraction]:
    """Return the hand that a prompt asks about."""
    return [Fraction(number) for number in re.findall(r"\d+", own_part(prompt).partition(" once")[0])]


def hand_of(prompt: str) -> Hand:
    """Return the numbers that a prompt's steps leave."""
    left = re.findall(r"\(left: (.+)\)", own_part(prompt))
    return tuple(sorted(map(Fraction, left[-1].split()) if left else numbers_of(prompt)))


def put_together(numbers: list[Fraction], steps: list[str]) -> str:
    """Write steps as one expression."""
    written: dict[Fraction, list[str]] = {}
    for number in numbers:
        written.setdefault(number, []).append(str(number))
    for line in steps:
        step = _STEP.fullmatch(line)
        assert step is not None, "the player writes every step itself"
        a, b = (written[Fraction(step[side].strip("()"))].pop() for side in (1, 3))
        written.setdefault(Fraction(step[4]), []).append(f"({a} {step[2]} {b})")
    return " ".join(text for texts in written.values() for text in texts)


def play(prompt: str, seed: int) -> str:
    """Reply as the player does: all moves, the steps put together, or a line of moves drawn at random."""
    part = own_part(prompt)
    if "Possible next steps" in part:
        return "\n".join(move.text for move in moves(hand_of(prompt)))
    if "The answer is" in part:
        steps = [line for line in part.splitlines() if _STEP.fullmatch(line)]
        return " " + put_together(numbers_of(prompt), steps)
    draw, hand, lines = Rng(seed, ("player", own_part(prompt))).generator(), hand_of(prompt), []
    while len(hand) > 1:
        choices = moves(hand)
        move = choices[int(draw.integers(len(choices)))]
        hand = move.left
        lines.append(move.text)
    return "\n".join([*lines, f"#### {put_together(numbers_of(prompt), lines)}"])


def player(error: float) -> ScriptedEngine:
    """Return a player whose judge thinks the opposite of the truth about so many states."""

    def judge(prompt: str) -> float:
        errs = Rng(0, ("judge", own_part(prompt))).generator().random() < error
        return float(is_solvable(hand_of(prompt)) != errs)

    return ScriptedEngine(play, values=judge, name=f"a player whose judge errs on {error:.0%}")


def measure(arm: str, contrast: Contrast, lab: Lab) -> Measured:
    """Play hands that can be won."""
    hands = lab.problems(smoke="game24:n=30", small="game24:n=200")
    return lab.solve(arm, hands, engine=player(JUDGES[contrast.on]), grader="game24")


CLAIM = Claim((NOISY, ORACLE, COIN), control=NOISY.without_treatment(), measure=measure)
