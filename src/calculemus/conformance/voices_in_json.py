"""What a model writes that is asked for a form in JSON."""

import json

from calculemus.conformance.voices import voice


@voice
def form(number: int) -> str:
    """Fill in a form: solutions that all come to the answer, and the answer itself."""
    fields = {
        "free_conditions": {"condition1": f"There are {number} eggs."},
        "mapping": {"solution1": f"The answer is {number}."},
        "minimality": {"optimal_solution": f"The answer is {number}."},
        "final_answer": number,
    }
    return json.dumps(fields)
