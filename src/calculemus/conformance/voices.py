"""Voices: what a model that plays along writes, whatever it is asked.

The checks know nothing of a method's prompts, so they speak in several forms and keep to the first one in
which the method finds an answer. A family whose methods read another form adds a voice in its own file:

    @voice
    def moves(number: int) -> str:
        return f"MOVE {number}"
"""

from collections.abc import Callable

Voice = Callable[[int], str]

VOICES: dict[str, Voice] = {}
"""By name, in the order in which they are tried."""


def voice(say: Voice) -> Voice:
    """Add a voice: a function of the number that is the answer; its name is the function's."""
    VOICES[say.__name__] = say
    return say


@voice
def mixed(number: int) -> str:
    """Write a list, a program and a sentence with the answer."""
    program = f"```python\ndef solution():\n    return {number}\n\nprint(solution())\n```"
    questions = f"1. What is asked?\n2. How many are {number} eggs?"
    return f"{questions}\n{program}\nThe answer is {number}.\n#### {number}"


@voice
def sentence(number: int) -> str:
    """Write a sentence with the answer."""
    return f"The answer is {number}.\n#### {number}"


@voice
def program(number: int) -> str:
    """Write a program alone."""
    return f"def solution():\n    return {number}\n"


@voice
def listed(number: int) -> str:
    """Write a list, the answer last."""
    return f"1. How many are {number} eggs?\n2. The answer is {number}.\n"


@voice
def bare(number: int) -> str:
    """Write the number alone."""
    return str(number)
