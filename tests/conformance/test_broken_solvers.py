"""Solvers that are broken on purpose, one a file in ``broken/``: each is caught, and for the right reason."""

from pathlib import Path

import pytest

from calculemus.conformance import Report, check_method

FOLDER = Path(__file__).with_name("broken")
PATIENCE = {"loops_for_ever": 3.0}  # all others come to an end, however busy the machine is

ERRORS = ("an_engine_that_errors_ends_in_a_failure", "an_engine_that_times_out_ends_in_a_failure")
STUB = "its_answer_comes_from_the_engine"
SILENCE = "an_engine_that_says_nothing_is_survived"
GLOBAL_STATE = "it_leaves_global_random_state_alone"
INDEPENDENT = "it_does_not_depend_on_global_random_state"
ELSEWHERE = "the_same_seed_gives_the_same_bits_in_another_process"
SAME = "an_engine_that_always_says_the_same_is_survived"
ODD = "an_engine_that_says_odd_things_is_survived"
ANSWER = "it_does_not_read_the_answer"
AGAIN = "solving_again_gives_the_same"
BAD = ("a_bad_type_is_refused_by_name", "a_bad_value_is_refused_by_name")

# What each fails, all of it, and words of the first failure's message.
CAUGHT: dict[str, tuple[tuple[str, ...], str]] = {
    "cannot_be_pickled": (("it_can_be_pickled_and_copied",), "cannot pickle '_thread.lock'"),
    "counts_twice": (("its_cost_is_known_and_finite",), "'tokens_out': -"),
    "depends_on_batch_order": (("a_batch_gives_what_single_problems_give",), "one by one and together"),
    "does_not_check": (BAD, "n=b'seven': it was taken; expected InvalidParameterError"),
    "draws_from_the_world": ((GLOBAL_STATE, AGAIN), "global random state of random"),
    "ends_the_process": ((SILENCE,), "asked to end the process (status 3)"),
    "expects_a_number": ((SILENCE, SAME, ODD), "expects_a_number.py, line"),
    "fills_in_by_hand": (("it_takes_odd_questions",), "it raised TypeError: not enough arguments"),
    "has_a_pretty_repr": (("its_repr_reads_back",), "'<3 chains>', which does not read back"),
    "has_an_unconstrained_parameter": (("no_allowed_parameter_breaks_it",), "with n=0: it raised IndexError"),
    "ignores_the_question": (("it_asks_about_the_question",), "the same on different questions"),
    "iterates_over_a_set": ((ELSEWHERE,), "in two processes"),
    "keeps_an_odd_trace": (("its_trace_can_be_stored",), "frozenset is not JSON serializable"),
    "keeps_state": ((AGAIN,), "on a problem before and after others"),
    "looks_at_the_world": ((INDEPENDENT, ELSEWHERE), "with global generators in two states"),
    "loops_for_ever": ((SILENCE,), "still at work after 3 s"),
    "mutates_its_input": (("it_leaves_its_inputs_unchanged",), "'numbers': [3, 6, 0]"),
    "opens_a_connection": (("it_opens_no_connection",), "socket.connect"),
    "overspends": (("it_ends_when_its_budget_is_spent",), "told that it is spent, it asked for more"),
    "prints": (("it_prints_nothing",), "'asking\\nasking\\nasking\\n' on stdout or stderr"),
    "reads_the_answer": ((ANSWER,), "it read 'golds' in"),
    "reads_the_answer_by_the_back_door": ((ANSWER,), "with two golds: on trial/0 found another 'answer'"),
    "reads_the_hidden_answer": ((ANSWER,), "it read 'answer' in"),
    "reseeds_the_world": ((GLOBAL_STATE,), "global random state of random"),
    "retries_for_ever": (ERRORS, "no end in sight"),
    "says_nothing_of_failure": (("it_gives_an_answer_or_a_reason",), "answer is None and its failure None"),
    "starts_a_process": (("it_starts_no_process",), "subprocess.Popen 'true'"),
    "stub": ((STUB, *ERRORS), "asked the engine nothing"),
    "stub_that_asks": ((STUB,), "answered with the same in every voice"),
    "swallows_errors": (ERRORS, "answered '0', which nobody said"),
    "trusts_the_engine": ((SILENCE,), "trusts_the_engine.py, line"),
    "writes_a_file": (("it_writes_no_file",), "open 'notes.txt'"),
}


def test_every_broken_solver_is_in_the_list() -> None:
    assert sorted(path.stem for path in FOLDER.glob("*.py")) == sorted(CAUGHT)


def checked(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Report:
    """Check a broken solver where it can leave its notes lying about."""
    monkeypatch.chdir(folder)
    return check_method(FOLDER / f"{name}.py", patience=PATIENCE.get(name, 60.0))


@pytest.mark.slow
@pytest.mark.parametrize("name", CAUGHT)
def test_a_broken_solver_is_caught_for_the_right_reason_and_no_other(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fails, words = CAUGHT[name]
    messages = {fault.check: fault.message for fault in checked(name, tmp_path, monkeypatch).faults}
    assert set(messages) == set(fails)
    assert words in messages[fails[0]]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["reseeds_the_world", "overspends", "mutates_its_input", "prints", "stub"])
def test_what_a_broken_solver_does_not_break_is_seen_to_hold(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = checked(name, tmp_path, monkeypatch)
    assert report.count("passed") >= 25
    assert not report.ok
