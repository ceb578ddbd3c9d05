"""Retrieval by shared words and runs of characters: as scikit-learn and the formulas have it."""

import math
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.feature_extraction.text import TfidfVectorizer

from calculemus.solving.craft_skills import SKILLS
from calculemus.solving.retrieving import K1, B, Retriever, pick_varied, terms

TEXTS = [skill.first.format(31, 17, 5) for skill in SKILLS]
words = st.sampled_from(["the", "cat", "cats", "sleeps", "on", "mat", "mats", "3", "12", "dog"])
sentences = st.lists(words, max_size=6).map(" ".join)


@settings(max_examples=50, deadline=None)
@given(st.lists(sentences, min_size=1, max_size=6).filter(any), sentences)
def test_cosines_are_those_of_scikit_learn(texts, query) -> None:
    vectorizer = TfidfVectorizer(analyzer=terms)
    cosines = (vectorizer.fit_transform(texts) @ vectorizer.transform([query]).T).toarray()[:, 0]
    found = {hit.index: hit.score for hit in Retriever(texts).rank(query)}
    assert set(found) == {i for i, cosine in enumerate(cosines) if cosine > 0}
    for index, score in found.items():
        assert score == pytest.approx(cosines[index], abs=1e-12)


@settings(max_examples=50, deadline=None)
@given(st.lists(sentences, min_size=1, max_size=6), sentences)
def test_bm25_is_its_formula(texts, query) -> None:
    bags = [Counter(terms(text)) for text in texts]
    mean = sum(map(len, map(terms, texts))) / len(texts)

    def score(bag: Counter[str]) -> float:
        total, length = 0.0, sum(bag.values())
        for term in sorted(set(terms(query))):
            n = sum(term in other for other in bags)
            if bag[term]:
                rarity = math.log(1 + (len(texts) - n + 0.5) / (n + 0.5))
                total += rarity * bag[term] * (K1 + 1) / (bag[term] + K1 * (1 - B + B * length / mean))
        return total

    found = {hit.index: hit.score for hit in Retriever(texts, by="bm25").rank(query)}
    assert set(found) == {i for i, bag in enumerate(bags) if score(bag) > 0}
    assert all(value == pytest.approx(score(bags[i])) for i, value in found.items())


@settings(max_examples=50, deadline=None)
@given(st.lists(sentences, max_size=6), sentences, st.sampled_from(["tfidf", "bm25"]))
def test_hits_are_in_order_and_ties_go_to_the_earlier_text(texts, query, by) -> None:
    hits = Retriever(texts, by=by).rank(query)
    order = [(-round(hit.score, 12), hit.index) for hit in hits]
    assert order == sorted(order)
    assert Retriever(texts, by=by).rank(query, k=2) == hits[:2]
    left = Retriever(texts, by=by).rank(query, leave_out=[0, 2])
    assert left == [hit for hit in hits if hit.index not in (0, 2)]
    twice = Retriever([*texts, *texts], by="bm25").rank(query)
    places = [hit.index for hit in twice]
    assert all(places.index(i) < places.index(i + len(texts)) for i in places if i < len(texts))


def test_texts_find_themselves_and_numbers_do_not_matter() -> None:
    for by in ("tfidf", "bm25"):
        index = Retriever(TEXTS, by=by)
        for place, text in enumerate(TEXTS):
            assert index.rank(text, k=1)[0].index == place
            assert index.rank(text.replace("31", "88").replace("17", "2.5"), k=1)[0].index == place
    assert Retriever([]).rank("a") == []
    assert Retriever(["", "a b"]).rank("") == []
    assert Retriever(["", "a b"]).rank("xyz") == []


def test_vectors_are_ranked_by_their_angle() -> None:
    index = Retriever(["a", "b", "c"], vectors=[(1, 0), (3, 3), (0, 0)])
    hits = index.rank_vector((0, 2))
    assert [hit.index for hit in hits] == [1, 0, 2]
    assert hits[0].score == pytest.approx(math.sqrt(0.5))
    assert index.rank_vector((0, 2), k=1, leave_out=[1])[0].index == 0


def by_brute_force(texts: list[str], n: int) -> list[int]:
    chosen: list[int] = []
    for _ in range(min(n, len(texts))):
        left = [i for i in range(len(texts)) if i not in chosen]

        def nearest(i: int) -> float:
            rank = {hit.index: hit.score for hit in Retriever(texts).rank(texts[i])}
            alike = [
                next((h.score for h in Retriever(texts).rank(texts[c]) if h.index == i), 0.0) for c in chosen
            ]
            assert rank or not terms(texts[i])
            return round(max(alike, default=0.0), 12)

        chosen.append(min(left, key=lambda i: (nearest(i), i)))
    return chosen


def test_varied_texts_are_those_least_like_what_was_taken() -> None:
    texts = [
        "a red cat",
        "a red cat sleeps",
        "stock prices fall",
        "a red car",
        "the prices of stock fell",
        "",
    ]
    assert pick_varied(texts, 4) == by_brute_force(texts, 4)
    assert sorted(pick_varied(texts, 99)) == list(range(6))
    assert pick_varied(texts, 2, taken=[0, 5]) == [2, 4] or pick_varied(texts, 2, taken=[0, 5])[0] == 2
    families = [f"{text} {i}" for i in range(5) for text in TEXTS]
    assert {i % len(TEXTS) for i in pick_varied(families, len(TEXTS))} == set(range(len(TEXTS)))
