"""``calculemus grade``: verdicts for a file of answers."""

import json as json_format
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING

from calculemus.cli.output import new_table, print_json, print_table

if TYPE_CHECKING:
    from calculemus.study.answer_pairs import AnswerPair, Tally
    from calculemus.verdict import Verdict


def grade(
    file: Path,
    /,
    *,
    profiles: str = "default",
    out: Path | None = None,
    problems: str | None = None,
    data: Path | None = None,
    json: bool = False,
) -> None:
    """Grade a file of answers, and say which rule decided.

    Args:
        file: JSON Lines with "gold" and "pred", or "problem" (an id, or an object with its "answer") and
            "response". Rows that carry "equal" (true or false) are compared with the verdicts.
        profiles: Graders, joined by commas, or "all": how much of a score is due to the grader.
        out: Write one verdict row per input row to this JSON Lines file, in order; of the first grader.
        problems: Problem set that "problem" ids belong to, for example gsm8k:test.
        data: Folder of the named problem sets.
        json: Print the summary as JSON.
    """
    from calculemus.files import replacing
    from calculemus.grading import PROFILES, get_grader, grader_id
    from calculemus.problems import load
    from calculemus.study.answer_pairs import Tally, grade_pairs, read_pairs

    names = list(PROFILES) if profiles == "all" else [name.strip() for name in profiles.split(",")]
    graders = [get_grader(name) for name in dict.fromkeys(names)]
    problem_set = load(problems, data=data) if problems else None
    total = sum(1 for _ in read_pairs(file, problem_set))  # every row is checked before the first is graded
    tallies = {grader.name: Tally(grader_id(grader)) for grader in graders}
    rows = grade_pairs(_warming(read_pairs(file, problem_set)), graders, total, tallies)
    if out is None:
        for _ in rows:
            pass
    else:
        with replacing(out) as temporary, temporary.open("w", encoding="utf-8") as sink:
            for pair, verdicts in rows:
                _write(sink, pair, verdicts)
    _report(list(tallies.values()), json)


def _warming(pairs: "Iterator[AnswerPair]") -> "Iterator[AnswerPair]":
    """Load SymPy in the workers before the first row that may need it, so that no row pays for that."""
    from calculemus.grading import workers

    cold = True
    for pair in pairs:
        if cold and any(
            "\\" in text or not text.isascii() for text in (pair.problem.answer, pair.response or "")
        ):
            workers.warm(wait=True)
            cold = False
        yield pair


def _write(sink: IO[str], pair: "AnswerPair", verdicts: "Sequence[Verdict]") -> None:
    first = verdicts[0]
    row = {
        "line": pair.line,
        "outcome": first.outcome,
        "extracted": first.extracted,
        "how": first.how,
        "grader": first.grader,
        "seconds": first.seconds,
    }
    if pair.equal is not None:
        row["equal"] = pair.equal
    if len(verdicts) > 1:
        row["outcomes"] = {verdict.grader: verdict.outcome for verdict in verdicts}
    sink.write(json_format.dumps(row, ensure_ascii=False) + "\n")


def _report(tallies: "Sequence[Tally]", as_json: bool) -> None:
    """Print one line a grader, then what labelled rows say."""
    from calculemus.stats import proportion

    if as_json:
        print_json({"graders": [tally.to_json() for tally in tallies]})
        return
    table = new_table("grader", "rows", "correct", "accuracy [95 %]", "wrong", "unparsed", "error")
    for tally in tallies:
        share = proportion(tally.counts["correct"], tally.n)
        table.add_row(
            tally.grader,
            str(tally.n),
            str(tally.counts["correct"]),
            f"{share.value:.1%} [{share.low:.1%}, {share.high:.1%}]",
            *(str(tally.counts[outcome]) for outcome in ("wrong", "unparsed", "error")),
        )
    print_table(table)
    for tally in tallies:
        labelled = tally.to_json().get("labelled")
        if labelled:
            print(f"{tally.grader}: {tally.agree} of {labelled} rows agree with their own 'equal'")
            _list_lines("accepted, though not equal", tally.false_positives)
            _list_lines("not accepted, though equal", tally.false_negatives)


def _list_lines(what: str, lines: Sequence[int]) -> None:
    if lines:
        more = f" and {len(lines) - 20} more" if len(lines) > 20 else ""
        print(f"  {what}: line{'s' if len(lines) > 1 else ''} {', '.join(map(str, lines[:20]))}{more}")
