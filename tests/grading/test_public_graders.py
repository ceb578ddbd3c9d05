"""Public graders: each gives the verdicts that its code gives, on cases whose reason is known."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calculemus.grading.base import Grader
from calculemus.grading.latex_text import latex_to_text
from calculemus.grading.lm_eval import LmEvalFlexible, LmEvalStrict
from calculemus.grading.math_verify_adapter import MathVerify
from calculemus.grading.minerva_math import MinervaMath
from calculemus.grading.openai_gsm8k import OpenaiGsm8k
from calculemus.grading.prm800k import Prm800k
from calculemus.grading.qwen_math import Qwen25Math
from calculemus.grading.qwen_text import normalise
from calculemus.grading.sympy_latex import parse_latex
from calculemus.problem import Problem

GRADERS: tuple[Grader, ...] = (
    OpenaiGsm8k(),
    LmEvalStrict(),
    LmEvalFlexible(),
    MinervaMath(),
    Prm800k(),
    Qwen25Math(),
    MathVerify(),
)
SENTENCE = "Final Answer: The final answer is {}. I hope it is correct."
every_grader = pytest.mark.parametrize("grader", GRADERS, ids=lambda grader: grader.name)


def outcome(grader: Grader, gold: str, response: str | None, **meta: Any) -> str:
    return grader.grade(Problem("p", "?", gold, meta=meta), response).outcome


# grader, gold, response, outcome, why
DOCUMENTED = [
    (OpenaiGsm8k(), "18", "9 * 2 = 18\n#### 18", "correct", "the data set's own form"),
    (OpenaiGsm8k(), "1234", "#### 1,234", "correct", "commas are removed"),
    (OpenaiGsm8k(), "18", "#### 18.0", "wrong", "the strings differ"),
    (OpenaiGsm8k(), "18", "#### 18.", "wrong", "the full stop belongs to the match"),
    (OpenaiGsm8k(), "18", "#### 7\n\n#### 18", "wrong", "the first match counts"),
    (OpenaiGsm8k(), "18", "#### $18", "unparsed", "a dollar sign is no digit"),
    (OpenaiGsm8k(), "18", "####18", "unparsed", "the space is part of the pattern"),
    (OpenaiGsm8k(), "18", "The answer is 18.", "unparsed", "no hashes"),
    (OpenaiGsm8k(), "-3", "#### -3", "correct", "a sign is read"),
    (OpenaiGsm8k(), "18", "#### 18%", "correct", "what follows the number is ignored"),
    (LmEvalStrict(), "18", "#### 18", "correct", "plain"),
    (LmEvalStrict(), "18", "#### 18.0", "wrong", "compared as text"),
    (LmEvalStrict(), "18", "#### 18.", "correct", "one full stop at the end is ignored"),
    (LmEvalStrict(), "18", "#### 18..", "wrong", "but only one"),
    (LmEvalStrict(), "1234", "#### 1,234", "correct", "commas are ignored"),
    (LmEvalStrict(), "18", "Q: 2+2? A: #### 4\n\nQ: 9*2? A: #### 18", "wrong", "a recited one comes first"),
    (LmEvalStrict(), "18", "#### $18", "unparsed", "no match with a dollar sign"),
    (LmEvalStrict(), "9 + 9 = 18\n#### 18", "#### 18", "correct", "a gold may be the whole worked solution"),
    (LmEvalFlexible(), "18", "She makes $18.", "correct", "dollar sign and full stop are kept, then ignored"),
    (LmEvalFlexible(), "18", "She makes $18.00", "wrong", "18.00 is another text than 18"),
    (LmEvalFlexible(), "18", "#### 4\n#### 18", "correct", "the last match counts"),
    (LmEvalFlexible(), "18", "18 eggs in 2 days", "wrong", "even if it is not the answer"),
    (LmEvalFlexible(), "18", "The answer is 18 ...", "wrong", "an ellipsis is two of [$0-9.,] and matches"),
    (LmEvalFlexible(), "18", "That is 18, right?", "correct", "the comma is kept, then ignored"),
    (LmEvalFlexible(), "18", "18-20", "wrong", "a range is read as 18 and -20"),
    (LmEvalFlexible(), "18", "eighteen", "unparsed", "no digit"),
    (LmEvalFlexible(), "0.5", "one half, or .5", "wrong", "no leading zero is added"),
    (MinervaMath(), r"\frac{1}{2}", SENTENCE.format("$0.5$"), "correct", "SymPy: 1/2 - 0.5 is 0"),
    (MinervaMath(), "18", r"So it is $\boxed{18}$.", "unparsed", "a box alone does not count"),
    (MinervaMath(), "18", "Final Answer: The final answer is 18", "unparsed", "the added end needs a space"),
    (MinervaMath(), "18", "Final Answer: The final answer is 18. ", "correct", "here it has one"),
    (MinervaMath(), "18", SENTENCE.format("18 dollars"), "correct", "units of the table are cut"),
    (MinervaMath(), "18", SENTENCE.format("$x = 18$"), "correct", "what follows the last equals sign"),
    (MinervaMath(), "1234", SENTENCE.format("1,234"), "correct", "digits and commas only: commas go"),
    (MinervaMath(), "(1,2)", SENTENCE.format("$(1,2)$"), "unparsed", "SymPy's grammar has no tuples"),
    (MinervaMath(), "x", SENTENCE.format("x,y"), "correct", "SymPy ignores what follows a readable start"),
    (MinervaMath(), r"\sqrt{13}", SENTENCE.format(r"$\sqrt13$"), "wrong", "the shorthand braces one digit"),
    (MinervaMath(), "1,2", SENTENCE.format("12"), "correct", "a bare pair of digits is fused into a number"),
    (MinervaMath(), r"\infty", SENTENCE.format(r"$\iny$"), "correct", "the unit ft is cut out of it"),
    (MinervaMath(), r"\text{Evelyn}", SENTENCE.format("Evelyn"), "correct", "letters are multiplied"),
    (MinervaMath(), "Evelyn", SENTENCE.format("nEvely"), "correct", "in any order"),
    (MinervaMath(), "18", SENTENCE.format("17"), "wrong", "a plain mistake"),
    (Prm800k(), r"\frac{1}{2}", r"\boxed{\frac{1}{2}}", "correct", "equal text"),
    (Prm800k(), r"\frac{1}{2}", r"\boxed{\dfrac12}", "correct", "equal after Hendrycks' normalisation"),
    (Prm800k(), r"\frac{1}{2}", r"\boxed{\frac{2}{4}}", "wrong", "a fraction must be reduced"),
    (Prm800k(), r"\frac{1}{2}", r"\boxed{0.5}", "correct", "the one decimal that Hendrycks' rules know"),
    (Prm800k(), r"\frac{3}{4}", r"\boxed{0.75}", "correct", "only one is a fraction, so SymPy is asked"),
    (Prm800k(), r"\frac{1}{3}", r"\boxed{0.333}", "wrong", "and it compares exactly"),
    (Prm800k(), "2", r"\boxed{8/4}", "wrong", "an integer gold must be met by a literal integer"),
    (Prm800k(), "2", r"\boxed{2.0}", "correct", "which a decimal with zeros is"),
    (Prm800k(), "8/4", r"\boxed{2}", "wrong", "the other way round as well"),
    (Prm800k(), "(1,2)", r"\boxed{(1, 2)}", "correct", "spaces go"),
    (Prm800k(), "(1,2]", r"\boxed{(1,2)}", "wrong", "outer brackets are compared"),
    (Prm800k(), "(1,3/4)", r"\boxed{(1,0.75)}", "correct", "element by element"),
    (Prm800k(), "2^{10}x", r"\boxed{x 2^{10}}", "unparsed", "SymPy is not asked about long exponents"),
    (Prm800k(), "x+y+z", r"\boxed{z+y+x}", "unparsed", "nor about three letters"),
    (Prm800k(), "x+y", r"\boxed{y+x}", "correct", "but about two"),
    (Prm800k(), r"\sqrt{2}", r"\boxed{\sqrt[3]{2}}", "correct", "the index of a root is lost"),
    (Prm800k(), r"2\sqrt{2}", r"\boxed{\sqrt{2}\cdot 2}", "correct", "a root is read as sqrt(2)"),
    (Prm800k(), "10", r"\boxed{10\%}", "correct", "a percent sign is dropped"),
    (Prm800k(), "5", r"\boxed{5\text{ cm}}", "correct", "a unit at the end is dropped"),
    (Prm800k(), str(10**19), str(10**19 + 1), "correct", "integers go by way of floats"),
    (Prm800k(), "18", "# Answer\n\n18", "correct", "PRM800K's own format"),
    (Prm800k(), "18", "So she has\n18", "unparsed", "no answer is marked"),
    (Prm800k(), "18", r"\boxed{18", "unparsed", "the box does not end"),
    (Qwen25Math(), "18", r"\boxed{18}", "correct", "a box"),
    (Qwen25Math(), "18", "The answer is 18.", "correct", "a phrase"),
    (Qwen25Math(), "18", "She makes 9 * 2 = 18 dollars", "correct", "the last number"),
    (Qwen25Math(), "0.5", r"\boxed{50}", "correct", "a hundred times is taken for a percentage"),
    (Qwen25Math(), "50", r"\boxed{0.5}", "correct", "and a hundredth"),
    (Qwen25Math(), "18", r"\boxed{1800}", "correct", "in a question about eggs, too"),
    (Qwen25Math(), "10000", r"\boxed{10001}", "correct", "relative tolerance of 1e-4, integers included"),
    (Qwen25Math(), "1000", r"\boxed{1001}", "wrong", "but not 1e-3"),
    (Qwen25Math(), "(1,2)", r"\boxed{[1,2]}", "correct", "outer brackets are never compared"),
    (Qwen25Math(), "(1,2)", r"\boxed{(1,3)}", "wrong", "elements are"),
    (Qwen25Math(), "x>2", r"\boxed{x<2}", "correct", "of relations |left - right| is compared"),
    (Qwen25Math(), "200", r"\boxed{two hundred}", "correct", "number words are read"),
    (Qwen25Math(), "10", r"\boxed{10\%}", "correct", "percent signs are dropped"),
    (Qwen25Math(), "5", r"\boxed{5 cm}", "correct", "units are dropped"),
    (Qwen25Math(), "3", r"\boxed{x=3}", "correct", "names of variables are dropped"),
    (Qwen25Math(), "2x+1=y", r"\boxed{y=2x+1}", "wrong", "even if that spoils an equation"),
    (Qwen25Math(), "q+2p=6", r"\boxed{2p+q=6}", "correct", "equations by the difference of their sides"),
    (Qwen25Math(), r"\begin{pmatrix}1&2\end{pmatrix}", r"\boxed{\begin{bmatrix}1&2\end{bmatrix}}", "correct",
     "kinds of matrix are one"),
    (Qwen25Math(), "B", r"\boxed{(B)}", "correct", "a choice"),
    (Qwen25Math(), "18", "no idea at all", "unparsed", "no number, no phrase"),
    (Qwen25Math(), "18", "The answer is 19.", "wrong", "a plain mistake"),
    (MathVerify(), r"\frac{1}{2}", "So it is $0.5$", "correct", "equal numbers"),
    (MathVerify(), r"\frac{1}{2}", r"\frac{2}{4}", "correct", "a bare expression is a formula"),
    (MathVerify(), r"\pi", "$3.14159265$", "correct", "compared to 6 decimal places"),
    (MathVerify(), "3", "$x = 3$", "correct", "an answer may be an assignment"),
    (MathVerify(), "x < 3", r"$(-\infty, 3)$", "correct", "an interval may stand for an inequality"),
    (MathVerify(), r"(-\infty, 3)", "$x < 3$", "wrong", "not the other way round"),
    (MathVerify(), "(1,2)", r"\boxed{[1,2]}", "wrong", "brackets are compared"),
    (MathVerify(), "5", r"\boxed{5\text{ cm}}", "correct", "units are dropped"),
    (MathVerify(), r"1011_2", r"\boxed{1011}", "correct", "so is the subscript of a base"),
    (MathVerify(), "18", "eighteen apples for me", "unparsed", "no number words"),
    (MathVerify(), "18", "$19$", "wrong", "a plain mistake"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("grader", "gold", "response", "expected"),
    [pytest.param(*case[:4], id=f"{case[0].name}: {case[4]}") for case in DOCUMENTED],
)
def test_documented_cases_get_the_public_verdict(
    grader: Grader, gold: str, response: str, expected: str
) -> None:
    assert outcome(grader, gold, response) == expected


# The published patterns, applied as the harness applies them.
def harness(pattern: str, index: int, gold: str, response: str) -> tuple[str, bool]:
    def without_ignored(text: str) -> str:
        for ignored in (",", "\\$", "(?s).*#### ", "\\.$"):
            text = re.sub(ignored, "", text)
        return text.lower()

    found = re.findall(pattern, response)
    answer = found[index] if found else "[invalid]"
    if isinstance(answer, tuple):
        answer = next(part for part in answer if part)
    return answer, without_ignored(answer.strip()) == without_ignored(gold)


LIKE_RESPONSES = st.text(alphabet="#0189 .,$-\n", max_size=30) | st.lists(
    st.sampled_from(["#### ", "18", "1,8", "$", ".", "18.", "-", "\n", "so ", "..."]), max_size=8
).map("".join)


@pytest.mark.parametrize(
    ("grader", "pattern", "index"),
    [
        (LmEvalStrict(), r"#### (\-?[0-9\.\,]+)", 0),
        (LmEvalFlexible(), r"(-?[$0-9.,]{2,})|(-?[0-9]+)", -1),
    ],
)
@given(gold=st.sampled_from(["18", "1,8", "18.", "$18", "x #### 18", "-1"]), response=LIKE_RESPONSES)
def test_lm_eval_equals_its_published_patterns(
    grader: Grader, pattern: str, index: int, gold: str, response: str
) -> None:
    answer, is_equal = harness(pattern, index, gold, response)
    verdict = grader.grade(Problem("p", "?", gold), response)
    assert verdict.correct == is_equal
    assert (verdict.extracted or "[invalid]") == answer


FORMULAS = [
    r"\frac{1}{2}", "0.5", "50%", r"\sqrt{2}", "1.41421356", "x^2-1", "(1,2)", "[1,2)", r"\{1,2\}", "x<3",
]  # fmt: skip


def test_math_verify_equals_a_direct_call_on_all_pairs_of_formulas() -> None:
    from math_verify import parse, verify

    parsed = {text: parse(f"${text}$") for text in FORMULAS}
    for gold in FORMULAS:
        for answer in FORMULAS:
            expected = verify(parsed[gold], parsed[answer])
            assert (outcome(MathVerify(), gold, answer) == "correct") == expected, (gold, answer)


@pytest.mark.parametrize("text", [r"\frac{1}{2}+x", "2,3", "x=3", r"3\sqrt{13}", "-2<x", r"\pi r^2", "abc"])
def test_latex_is_read_as_sympy_reads_it(
    text: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from sympy.parsing.latex import _parse_latex_antlr as original

    monkeypatch.setattr(original, "version", lambda _: "4.11")  # its check, and nothing else, is in the way
    assert parse_latex(text) == original.parse_latex(text)
    capsys.readouterr()


def test_an_antlr_runtime_that_cannot_run_the_grammar_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("calculemus.grading.sympy_latex.version", lambda _: "4.9.3")
    with pytest.raises(ImportError, match=r"4\.10 or later"):
        parse_latex("1")


@pytest.mark.parametrize(
    ("latex", "text"),
    [
        (r"\frac{1}{2}", "1/2"),
        (r"\frac12", "1/2"),
        (r"7 \frac{3}{4}", "7 3/4"),
        (r"2\frac{\frac{1}{2}}{3}", "21/2/3"),
        (r"\sqrt2", "√(2)"),
        (r"\sqrt[3]{5}", "√(5)"),
        (r"\left(3,\frac{\pi}{2}\right)", "(3,π/2)"),
        (r"x^{10}", "x^10"),
        (r"5\text{ cm}", "5 cm"),
        (r"\mbox{cm}^2", "^2"),
        (r"\unknown{x} y", "x y"),
        (r"\begin{pmatrix} 1 & 2 \\ 3 & 4 \end{pmatrix}", "[ 1 2; 3 4 ]"),
        (r"\begin{array}{cc}1&2\end{array}", "[ 1 2 ]"),
        (r"\{1,2\}", "{1,2}"),
        (r"10\,000", "10 000"),
        (r"\lambda\Lambda", "λΛ"),
        (r"\mathbb{R}\mathbf{v}", "ℝ𝐯"),
        (r"\hat{a}", "â"),
        ("a}b{", "ab"),
        ("a\\", "a"),
    ],
)
def test_latex_becomes_the_text_that_pylatexenc_makes_of_it(latex: str, text: str) -> None:
    assert latex_to_text(latex) == text


@pytest.mark.parametrize(
    ("words", "number"),
    [
        ("three", "3"),
        ("twenty-one", "21"),
        ("seven hundred and twelve", "712"),
        ("two million three thousand five", "2003005"),
        ("three point one four", "3.14"),
        ("she has five", "5"),
        ("minus five", "5"),
        ("hundred", "100"),
        ("five thousand million", "fivethousmillion"),
        ("point five", "0.5"),
        ("007", "7"),
    ],
)
def test_qwen_reads_number_words_as_word2number_does(words: str, number: str) -> None:
    assert normalise(words) == number


def test_the_first_grader_agrees_with_the_flags_published_beside_it(data_dir: Path) -> None:
    lines = (data_dir / "gsm8k" / "example_model_solutions.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    flags = graded = 0
    for row in rows:
        # That file writes "A: 18" where the data set and the grader's code have "#### 18".
        problem = Problem("p", row["question"], row["ground_truth"].replace("\nA: ", "\n#### "))
        for system in (value for value in row.values() if isinstance(value, dict)):
            response = system["solution"].replace("\nA: ", "\n#### ")
            graded += 1
            flags += OpenaiGsm8k().grade(problem, response).correct == system["is_correct"]
    assert (flags, graded) == (4 * 1319, 4 * 1319)


@every_grader
def test_any_accepted_gold_counts(grader: Grader) -> None:
    response = "Final Answer: The final answer is 18. I hope it is correct.\n#### 18\n" + r"\boxed{18}"
    assert outcome(grader, "7", response, answers=["18"]) == "correct"
    assert outcome(grader, "7", response, answers=["17"]) == "wrong"


@every_grader
@pytest.mark.parametrize("gold", ["18", "0", "-3", "1234", "0.25", "99999999999999999999"])
def test_a_gold_in_the_expected_form_is_correct_and_its_neighbours_are_not(grader: Grader, gold: str) -> None:
    def response(answer: str) -> str:
        return SENTENCE.format(answer) + f"\n#### {answer}\n\\boxed{{{answer}}}"

    assert outcome(grader, gold, response(gold)) == "correct"
    for wrong in (f"{gold}1", f"7{gold.lstrip('-')}"):
        assert outcome(grader, gold, response(wrong)) != "correct"
