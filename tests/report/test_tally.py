"""The counts are those of brute force."""

from hypothesis import given
from hypothesis import strategies as st

from calculemus.report.tally import MAX_GROUPS, MIN_GROUP, Tally, facts_of
from calculemus.study.comparison import ProblemView, SampleView

OUTCOMES = st.sampled_from(["correct", "wrong", "unparsed", "error"])
SYSTEMS = 2


@st.composite
def problems(draw: st.DrawFn) -> list[ProblemView]:
    graded = st.lists(OUTCOMES.map(lambda o: SampleView(o, None, "", None)), max_size=4).map(tuple)
    row = st.tuples(st.none() | st.integers(0, 30), st.tuples(*[graded] * SYSTEMS))
    rows = draw(st.lists(row, max_size=60))
    return [ProblemView(f"p{i}", "", "", None, steps, samples) for i, (steps, samples) in enumerate(rows)]


def tallied(views: list[ProblemView]) -> Tally:
    tally = Tally(SYSTEMS)
    for view in views:
        tally.add(view)
    return tally


def accuracies(views: list[ProblemView], system: int) -> list[float]:
    graded = [view.samples[system] for view in views if view.samples[system]]
    return [sum(s.outcome == "correct" for s in samples) / len(samples) for samples in graded]


@given(problems())
def test_every_problem_stands_in_one_pattern_and_one_group(views: list[ProblemView]):
    tally = tallied(views)
    groups = tally.groups()
    assert sum(tally.patterns.values()) == tally.n == len(views)
    for view in views:
        homes = [
            group
            for group in groups
            if view.steps is not None
            and group.low <= view.steps
            and (group.high is None or view.steps <= group.high)
        ]
        assert len(homes) == (view.steps is not None)
    assert sum(group.n for group in groups) + tally.n_without_steps == len(views)


@given(problems())
def test_accuracy_of_a_group_is_the_mean_over_its_problems(views: list[ProblemView]):
    tally = tallied(views)
    for group in tally.groups():
        inside = [
            v
            for v in views
            if v.steps is not None and v.steps >= group.low and (group.high is None or v.steps <= group.high)
        ]
        for system in range(SYSTEMS):
            expected = accuracies(inside, system)
            total, n = tally.accuracy(group, system)
            assert n == len(expected)
            assert abs(total - sum(expected)) < 1e-9


@given(problems())
def test_the_last_group_is_open_only_to_be_large_enough(views: list[ProblemView]):
    groups = tallied(views).groups()
    assert len(groups) <= MAX_GROUPS
    if len(groups) > 1:
        assert groups[-1].n >= MIN_GROUP
    assert all(group.high is not None for group in groups[:-1])


def sample(outcomes: str) -> tuple[SampleView, ...]:
    words = {"c": "correct", "w": "wrong", "u": "unparsed", "e": "error"}
    return tuple(SampleView(words[o], None, "", None) for o in outcomes)


def test_facts_name_each_systems_samples_by_what_they_share():
    facts = facts_of([sample("c"), sample("cw"), sample("ccw"), sample("wu"), sample("ee"), sample("")])
    assert facts.outcomes == "c|cw|ccw|wu|ee|"
    assert facts.marks == "cmmwe-"


def test_a_problem_is_solved_by_more_than_half_of_its_samples():
    facts = facts_of([sample("c"), sample("cw"), sample("ccw"), sample(""), sample("u")])
    assert facts.solved == "10100"


def test_repeated_samples_are_noticed_wherever_they_are():
    single = ProblemView("a", "", "", None, None, (sample("c"), sample("w")))
    double = ProblemView("b", "", "", None, None, (sample("c"), sample("ww")))
    assert not tallied([single, single]).repeated
    assert tallied([single, double, single]).repeated
