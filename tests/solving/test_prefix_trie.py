"""TVM's labels: brute force, their laws, and where they tend to on a model whose every text is listed."""

import math
from collections import Counter

import pytest

from calculemus.engine.base import Job
from calculemus.engine.requests import Prefix, Sample, Sampling
from calculemus.engine.toy import PROMPT, ToyLM
from calculemus.errors import InvalidParameterError
from calculemus.events import Event, Note, listening
from calculemus.rng import Rng
from calculemus.solving.attempting import Attempt
from calculemus.solving.prefix_trie import FLAT, PrefixTrie, token_labels
from calculemus.solving.verifiers import first_rows

Lists = list[tuple[int, ...]]


def random_lists(n: int, symbols: int = 3, longest: int = 6) -> tuple[Lists, list[bool]]:
    draws = Rng(5, ("trie",)).generator()
    lists = [tuple(draws.integers(0, symbols, draws.integers(1, longest + 1)).tolist()) for _ in range(n)]
    return lists, [bool(draw) for draw in draws.integers(0, 2, n)]


def grown(lists: Lists, outcomes: list[bool]) -> PrefixTrie:
    trie = PrefixTrie()
    for ids, is_correct in zip(lists, outcomes, strict=True):
        trie.add(ids, is_correct)
    return trie


def test_labels_equal_brute_force_on_a_thousand_random_lists() -> None:
    lists, outcomes = random_lists(1000)
    trie = grown(lists, outcomes)
    for ids in lists[:200]:
        for n, label in enumerate(trie.labels(ids), 1):
            through = [ok for other, ok in zip(lists, outcomes, strict=True) if other[:n] == ids[:n]]
            assert label == sum(through) / len(through)


def test_memory_is_one_node_for_each_different_prefix() -> None:
    lists, outcomes = random_lists(1000)
    assert len(grown(lists, outcomes)) == len({ids[:n] for ids in lists for n in range(len(ids) + 1)})


def test_the_root_is_the_accuracy_of_the_samples() -> None:
    lists, outcomes = random_lists(100)
    assert grown(lists, outcomes).root == sum(outcomes) / 100


def test_the_label_behind_a_whole_solution_is_its_outcome() -> None:
    lists, outcomes = random_lists(300)
    whole = [(*ids, 9, place) for place, ids in enumerate(lists)]  # ended, and no two alike
    for ids, is_correct, labels in zip(whole, outcomes, token_labels(whole, outcomes), strict=True):
        assert labels[-1] == is_correct
        assert len(labels) == len(ids)


def test_the_mean_over_what_follows_a_prefix_is_its_label() -> None:
    lists, outcomes = random_lists(500)
    whole = [(*ids, 9) for ids in lists]  # so that nothing ends inside
    trie = grown(whole, outcomes)
    for prefix in sorted({ids[:n] for ids in whole for n in range(max(map(len, whole))) if n < len(ids)}):
        following = sorted({ids[: len(prefix) + 1] for ids in whole if ids[: len(prefix)] == prefix})
        counts = [trie.counts(longer)[0] for longer in following]
        labels = [trie.labels(longer)[-1] for longer in following]
        mean = sum(n * label for n, label in zip(counts, labels, strict=True)) / sum(counts)
        n_samples, n_correct = trie.counts(prefix)
        assert sum(counts) == n_samples
        assert mean == pytest.approx(n_correct / n_samples)


def test_equal_samples_may_be_added_at_once() -> None:
    lists, outcomes = random_lists(200, longest=2)
    pairs = Counter(zip(lists, outcomes, strict=True))
    trie = PrefixTrie()
    for (ids, is_correct), count in pairs.items():
        trie.add(ids, is_correct, count)
    assert [trie.labels(ids) for ids in lists] == token_labels(lists, outcomes)


def sampled(lm: ToyLM, n: int) -> Lists:
    lm.submit([Job(0, Sample("q", Sampling(temperature=1.0), n), Rng(3, ("toy", n)).seeds(n))])
    done = []
    while not done:
        done = lm.wait()
    return [completion.ids for completion in done[0].reply]


def test_labels_tend_to_the_chance_of_a_right_end_like_one_over_the_root_of_the_count() -> None:
    lm = ToyLM.random(Rng(11), "abc", 4, rewards=lambda text: float(text.count("a") % 2 == 0))
    for n in (400, 6400):
        samples = sampled(lm, n)
        outcomes = [lm.value(Prefix("q", (PROMPT, *ids))) == 1.0 for ids in samples]
        trie = grown(samples, outcomes)
        errors = []
        for prefix in sorted({ids[:k] for ids in samples for k in range(1, len(ids))}):
            count, n_correct = trie.counts(prefix)
            exact = lm.value(Prefix("q", (PROMPT, *prefix)))
            deviation = math.sqrt(exact * (1 - exact) / count)
            if count > 20 and deviation:
                errors.append((n_correct / count - exact) / deviation)
        assert len(errors) > 5
        assert max(map(abs, errors)) < 4  # in standard deviations, which fall with the root of the count
        assert 0.3 < sum(error**2 for error in errors) / len(errors) < 3


def test_with_one_sample_a_problem_labels_are_outcomes() -> None:
    one = [Attempt((1, 2, 3, 4, 0), 2, "x", True), Attempt((1, 5, 6, 0), 1, "y", False)]
    for solution in one:
        assert first_rows([solution], "token") == first_rows([solution], "outcome")


def test_samples_that_share_nothing_are_reported_and_keep_their_outcomes() -> None:
    heard: list[Event] = []
    with listening(heard.append):
        labels = token_labels([(1, 2), (3, 4)], [True, False])
    assert labels == [(1.0, 1.0), (0.0, 0.0)]
    (note,) = heard
    assert isinstance(note, Note)
    assert note.message.startswith(FLAT)


@pytest.mark.parametrize("samples", [[(1, 2)], [(1, 2), (1, 3)], [(1, 2), (1, 2)]])
def test_one_sample_or_a_shared_token_is_not_reported(samples: Lists) -> None:
    heard: list[Event] = []
    with listening(heard.append):
        token_labels(samples, [True] * len(samples))
    assert heard == []


def test_a_prefix_that_nobody_sampled_has_no_label() -> None:
    trie = grown([(1, 2)], [True])
    assert trie.counts((1, 3)) == (0, 0)
    with pytest.raises(InvalidParameterError, match=r"no sample begins with the 2 tokens \[1, 3\]"):
        trie.labels((1, 3))
    with pytest.raises(InvalidParameterError, match="no sample begins with the 0 tokens"):
        _ = PrefixTrie().root
