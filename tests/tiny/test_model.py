"""The model that ships: it loads, it is small, it says what it is, and it does what its card says."""

import json
import sys
import tomllib
from subprocess import run

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from calculemus.problems.generated import Generated, Spec
from calculemus.tiny import MODEL
from calculemus.tiny.data import examples
from calculemus.tiny.evaluate import Split, accuracy, answer_of, complete, outcomes
from calculemus.tiny.shipped import PHASES, RECIPE, SIZE, SPLIT
from calculemus.tiny.shipped import tokenizer as built
from calculemus.tiny.text import MODES, prompt

MEGABYTE = 10**6


@pytest.fixture(scope="module")
def model() -> PreTrainedModel:
    return AutoModelForCausalLM.from_pretrained(MODEL).eval()


def test_the_folder_has_what_it_needs_and_is_at_most_eight_megabytes() -> None:
    files = {file.name: file.stat().st_size for file in MODEL.iterdir()}
    assert {"config.json", "generation_config.json", "model.safetensors", "tokenizer.json"} <= files.keys()
    assert {"README.md", "calculemus.toml", "recipe.json", "training.jsonl"} <= files.keys()
    assert sum(files.values()) <= 8 * MEGABYTE


def test_its_settings_name_the_prompts_of_the_tiny_model() -> None:
    assert tomllib.loads((MODEL / "calculemus.toml").read_text("utf-8")) == {"prompts": "tiny"}


def test_it_loads_in_float32_and_has_the_size_that_the_code_says(model: PreTrainedModel) -> None:
    assert {weight.dtype for weight in model.parameters()} == {torch.float32}
    assert model.config.hidden_size == SIZE.d_model
    assert model.config.vocab_size == SIZE.vocab_size >= len(AutoTokenizer.from_pretrained(MODEL))


def test_what_it_records_is_what_the_code_would_do() -> None:
    recipe = json.loads((MODEL / "recipe.json").read_text("utf-8"))
    assert recipe["recipe"] == RECIPE.params()
    assert recipe["phases"] == json.loads(
        json.dumps([(until, mixture.params()) for until, mixture in PHASES])
    )
    last = json.loads((MODEL / "training.jsonl").read_text("utf-8").splitlines()[-1])
    assert last["step"] == RECIPE.steps


def test_it_ends_its_answers_in_the_two_forms(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase
) -> None:
    question = Generated(Spec.level(1), "iid")[0].question
    worked, program = complete(model, tokenizer, [prompt(question, mode) for mode in MODES])
    assert answer_of(worked, "worked") is not None
    assert worked.startswith(" ")
    assert program.startswith("\ndef solution():\n    ")
    assert answer_of(program, "program") is not None


def test_a_batch_is_completed_as_its_prompts_are_alone(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase
) -> None:
    source = Generated(Spec.level(2), "iid")
    prompts = [prompt(source[index].question, MODES[index % 2]) for index in range(6)]
    assert complete(model, tokenizer, prompts) == [complete(model, tokenizer, [p])[0] for p in prompts]


def test_importing_the_package_imports_no_torch() -> None:
    code = "import sys, calculemus.tiny; sys.exit('torch' in sys.modules or 'transformers' in sys.modules)"
    assert run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        (" 1 + 2 = 3\n#### 3", "3"),
        ("#### -4\n", "-4"),
        (" 1 + 2 = 3", None),
        ("#### 3\nand so on", None),
        ("", None),
    ],
)
def test_the_answer_of_a_worked_solution_stands_at_its_end(text: str, answer: str | None) -> None:
    assert answer_of(text, "worked") == answer


@pytest.mark.slow
def test_the_tokenizer_is_the_one_that_the_code_builds(tokenizer: PreTrainedTokenizerBase) -> None:
    assert built().get_vocab() == tokenizer.get_vocab()


@pytest.mark.slow
def test_nothing_that_it_is_measured_on_was_trained_on(tokenizer: PreTrainedTokenizerBase) -> None:
    asked = {item.question for item in SPLIT.items()}
    for _, mixture in PHASES:
        for chunk in range(5):
            prompts = [
                tokenizer.decode(e.ids[: e.learned.index(True)]) for e in examples(mixture, tokenizer, chunk)
            ]
            assert asked.isdisjoint(text[3:-3] for text in prompts)


@pytest.mark.slow
@pytest.mark.parametrize("mode", MODES)
def test_the_card_has_the_accuracy_that_is_measured_again(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, mode: str
) -> None:
    figures = json.loads((MODEL / "evaluation.json").read_text("utf-8"))[mode]["all"]
    items = Split(levels=SPLIT.levels, per_level=60 // len(SPLIT.levels)).items()
    again = accuracy(outcomes(model, tokenizer, items, mode))
    assert again.low <= figures["value"] <= again.high
    assert f"{100 * figures['value']:.1f}%" in (MODEL / "README.md").read_text("utf-8")
