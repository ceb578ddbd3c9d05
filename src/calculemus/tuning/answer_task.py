"""Tasks of causal language models that are judged by the answer alone, whatever words lead to it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from calculemus.errors import InvalidParameterError
from calculemus.grading import get_grader
from calculemus.problem import Problem
from calculemus.tuning.tasks import Split
from calculemus.tuning.text_task import Row, TextTask

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_AT_ONCE = 32
_DEV_EVERY = 4  # of so many problems one is to choose by


@dataclass(frozen=True, eq=False)
class AnswerTask(TextTask):
    """Solving problems: greedy completions of prompts, graded.

    Attributes:
        problems: For each prompt the problem behind it.
        most_tokens: Longest completion.
    """

    problems: Mapping[str, Problem] = field(default_factory=dict)
    most_tokens: int = 256

    def outcomes(self, model: nn.Module, split: Split) -> Mapping[str, float]:
        """Return 1 or 0 for each problem of a split: whether its answer is found."""
        grader = get_grader("default")
        rows = self.dev if split == "dev" else self.test
        found: dict[str, float] = {}
        for start in range(0, len(rows), _AT_ONCE):
            some = rows[start : start + _AT_ONCE]
            texts = self._complete(model, [row.prompt for row in some])
            for place, (row, text) in enumerate(zip(some, texts, strict=True), start):
                is_right = grader.grade(self.problems[row.prompt], text).correct
                found[f"{self.name}/{split}/{place}"] = float(is_right)
        return found

    @torch.no_grad()
    def _complete(self, model: Any, prompts: list[str]) -> list[str]:
        tokenizer: Any = self.tokenizer
        given = tokenizer(prompts, padding=True, padding_side="left", return_tensors="pt")
        ids = model.generate(
            input_ids=given["input_ids"],
            attention_mask=given["attention_mask"],
            do_sample=False,
            max_new_tokens=self.most_tokens,
            pad_token_id=tokenizer.pad_token_id,
        )
        return tokenizer.batch_decode(ids[:, given["input_ids"].shape[1] :], skip_special_tokens=True)


def answer_task(
    name: str, problems: Sequence[Problem], tokenizer: "PreTrainedTokenizerBase", most_tokens: int = 256
) -> AnswerTask:
    """Return the task of solving some problems, each fourth of which is to choose settings by.

    Prompts are of the tokenizer's chat template where it has one, otherwise ``Q: ...`` and ``A:``.

    Raises:
        InvalidParameterError: There are too few problems.
    """
    by_prompt = {_prompt(problem.question, tokenizer): problem for problem in problems}
    rows = [Row(prompt, f" {p.solution or p.answer}") for prompt, p in by_prompt.items()]
    dev, test = rows[::_DEV_EVERY], [row for i, row in enumerate(rows) if i % _DEV_EVERY]
    if not test:
        raise InvalidParameterError(
            f"making the task '{name}': there are {len(rows)} different problems; expected two or more, one "
            "to choose settings by and one to measure with"
        )
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return AnswerTask(name, dev, dev, test, tokenizer, by_prompt, most_tokens)


def _prompt(question: str, tokenizer: Any) -> str:
    if not getattr(tokenizer, "chat_template", None):
        return f"Q: {question}\nA:"
    asked = [{"role": "user", "content": question}]
    return tokenizer.apply_chat_template(asked, tokenize=False, add_generation_prompt=True)
