"""Tasks that are judged by the answer alone."""

from typing import Any

import pytest
import torch
from torch import nn

from calculemus.errors import InvalidParameterError
from calculemus.problem import Problem
from calculemus.tiny.arith_family import tokenizer
from calculemus.tuning.answer_task import answer_task

PROBLEMS = [Problem(f"p{i}", f"What is {i} and {i}?", str(2 * i)) for i in range(8)]


class Teller(nn.Module):
    """Completes every prompt by the same text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.told = torch.tensor(tokenizer()(text)["input_ids"])

    def generate(self, input_ids: torch.Tensor, **_: Any) -> torch.Tensor:
        return torch.cat([input_ids, self.told.expand(len(input_ids), -1)], dim=1)


def test_whatever_words_lead_to_the_answer_it_counts() -> None:
    task = answer_task("sums", PROBLEMS, tokenizer())
    found = task.outcomes(Teller(" Well, that makes 6.\n#### 6"), "test")
    assert [row.prompt for row, right in zip(task.test, found.values(), strict=True) if right] == [
        "Q: What is 3 and 3?\nA:"
    ]


def test_no_problem_is_chosen_by_and_measured_with() -> None:
    task = answer_task("sums", PROBLEMS, tokenizer())
    dev, test = ({row.prompt for row in rows} for rows in (task.dev, task.test))
    assert not dev & test
    assert len(dev | test) == len(PROBLEMS)
    assert len(dev) == 2


def test_a_chat_template_wraps_the_question() -> None:
    words = tokenizer()
    words.chat_template = "{% for m in messages %}<{{ m['role'] }}>{{ m['content'] }}{% endfor %}<reply>"
    task = answer_task("sums", PROBLEMS, words)
    assert task.dev[0].prompt == "<user>What is 0 and 0?<reply>"


def test_one_problem_alone_is_refused() -> None:
    with pytest.raises(InvalidParameterError, match="expected two or more"):
        answer_task("sums", PROBLEMS[:1], tokenizer())
