"""A completion ends where a stop text is complete, at the end of text, or when its tokens are used up."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import pre_tokenizers

from calculemus.engine.requests import Prefix, Sample, Sampling
from calculemus.engine.torch_engine.text import find_stop
from calculemus.rng import Rng

LEVEL = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
TAIL = LEVEL.pre_tokenize_str("€ 1")[0][0][1:]
SCRIPTS = (
    ["x", " 1", "ab", "12", "\n\n", "c", "<end>"],
    ["y", "Ã", "©", " 2", "d", "e", "e"],
    ["z", "<end>"],
    ["k", "â", TAIL, "m"],
)
"""What follows what; Ã and © are how the tokenizer names the two bytes of an é, â the first of a €."""


def named(text: str) -> str:
    """Write a text as the tokenizer names its bytes, one character each."""
    return text if text in ("Ã", "©", "â", TAIL, "<end>") or not text else LEVEL.pre_tokenize_str(text)[0][0]


@pytest.fixture(scope="module")
def scripted(markov_folder, make_tokenizer, tmp_path_factory):
    """An engine that writes the scripts, and its tokenizer."""
    from calculemus.engine.torch_engine import TorchEngine

    tokenizer = make_tokenizer()
    ids = [[tokenizer.convert_tokens_to_ids(named(piece)) for piece in script] for script in SCRIPTS]
    table = np.eye(len(tokenizer))
    for script in ids:
        for token, following in pairwise(script):
            table[token] = 0
            table[token, following] = 1
    engine = TorchEngine(markov_folder(table, tokenizer), rows=8)
    yield engine, tokenizer
    engine.close()


# prompt, stops, keep_stop, max_tokens, text, its tokens, tokens sampled, finish, what stopped it
CASES = {
    "one that is a token": ("x", ("ab",), False, 99, " 1", 1, 2, "stop", "ab"),
    "one that is kept": ("x", ("ab",), True, 99, " 1ab", 2, 2, "stop", "ab"),
    "one inside a token": ("x", ("b",), False, 99, " 1a", 2, 2, "stop", "b"),
    "one that ends inside a token": ("x", ("1a",), True, 99, " 1a", 2, 2, "stop", "1a"),
    "one across tokens": ("x", ("b1",), False, 99, " 1a", 2, 3, "stop", "b1"),
    "one across tokens, kept": ("x", ("b1",), True, 99, " 1ab1", 3, 3, "stop", "b1"),
    "one over all tokens": ("x", ("1ab12\n",), False, 99, " ", 1, 4, "stop", "1ab12\n"),
    "the first to be complete": ("x", ("ab12", "b", "c"), False, 99, " 1a", 2, 2, "stop", "b"),
    "the longer of two at one place": ("x", ("2", "b12", "12"), False, 99, " 1a", 2, 3, "stop", "b12"),
    "one that comes at once": ("x", (" ",), False, 99, "", 0, 1, "stop", " "),
    "one that comes at once, kept": ("x", (" ",), True, 99, " ", 1, 1, "stop", " "),
    "one that never comes": ("x", ("dog",), False, 99, " 1ab12\n\nc", 6, 6, "stop", None),
    "one that is how the end is written": ("x", (">", "<", "d"), True, 99, " 1ab12\n\nc", 6, 6, "stop", None),
    "none, the end at once": ("z", (), False, 99, "", 1, 1, "stop", None),
    "none, tokens used up": ("x", (), False, 4, " 1ab12\n\n", 4, 4, "length", None),
    "none, tokens used up with the end": ("x", (), False, 6, " 1ab12\n\nc", 6, 6, "stop", None),
    "one with the last token": ("x", ("12",), False, 3, " 1ab", 2, 3, "stop", "12"),
    "one that the last token begins": ("x", ("12\n",), False, 3, " 1ab12", 3, 3, "length", None),
    "one behind a character of two tokens": ("y", (" ",), False, 99, "é", 2, 3, "stop", " "),
    "one in the token that completes a character": ("k", ("1",), False, 99, "€ ", 2, 2, "stop", "1"),
    "a character of two tokens": ("y", ("é",), True, 99, "é", 2, 2, "stop", "é"),
    "none, tokens used up inside a character": ("y", (), False, 1, "\ufffd", 1, 1, "length", None),
    "none, and no end": ("y", ("f",), False, 10, "é 2deeeeee", 10, 10, "length", None),
}


@pytest.mark.parametrize("case", CASES)
def test_a_completion_ends_by(case, scripted, run) -> None:
    prompt, stops, keep, limit, text, n_ids, n_sampled, finish, stopped_by = CASES[case]
    engine, tokenizer = scripted
    (done,) = run(engine, [Sample(prompt, Sampling(max_tokens=limit, stop=stops, keep_stop=keep))])
    (completion,) = done.reply
    assert (completion.text, completion.finish, completion.stopped_by) == (text, finish, stopped_by)
    assert len(completion.ids) == len(completion.logprobs) == n_ids
    assert completion.logprobs == pytest.approx((0.0,) * n_ids, abs=1e-4)
    assert (done.cost.tokens_out, done.cost.tokens_discarded) == (n_ids, n_sampled - n_ids)
    prefix = completion.prefix
    assert prefix.text == prompt + text
    assert tokenizer.decode(prefix.ids) == prefix.text
    assert prefix.ids[: 1 + max(0, n_ids - 1)] == (tokenizer.encode(prompt)[0], *completion.ids)[: n_ids or 1]


@pytest.mark.parametrize("case", CASES)
def test_a_completion_can_be_gone_on_with_from_any_of_its_tokens(case, scripted, ask) -> None:
    prompt, stops, keep, limit, text, n_ids, *_ = CASES[case]
    engine, tokenizer = scripted
    (whole,) = ask(engine, Sample(prompt, Sampling(max_tokens=20)))
    sampling = Sampling(max_tokens=limit, stop=stops, keep_stop=keep, pieces=True)
    (completion,) = ask(engine, Sample(prompt, sampling))
    assert (len(completion.pieces), "".join(completion.pieces)) == (n_ids, text)
    assert completion.start == Prefix(prompt, tuple(tokenizer.encode(prompt)))
    for place in range(n_ids):
        said = "".join(completion.pieces[:place])
        prefix = Prefix(prompt + said, completion.start.ids + completion.ids[:place])
        (rest,) = ask(engine, Sample(prefix, Sampling(max_tokens=20 - place)))
        assert said + rest.text == whole.text


def test_rows_with_different_stop_texts_run_side_by_side(scripted, run) -> None:
    engine, _ = scripted
    asked = [Sample(p, Sampling(max_tokens=m, stop=s, keep_stop=k)) for p, s, k, m, *_ in CASES.values()]
    found = [
        (done.reply[0].text, len(done.reply[0].ids), done.reply[0].stopped_by) for done in run(engine, asked)
    ]
    assert found == [(text, n, stop) for _, _, _, _, text, n, _, _, stop in CASES.values()]


def test_the_context_ends_a_completion(scripted, ask, open_engine) -> None:
    engine, _ = scripted
    n = engine.capabilities.context
    (completion,) = ask(engine, Sample("abab" + "e" * (n - 12), Sampling(max_tokens=50)))
    assert (len(completion.ids), completion.finish) == (8, "length")


def test_a_stop_text_in_the_prompt_ends_nothing(scripted, ask) -> None:
    (completion,) = ask(scripted[0], Sample("ab12x", Sampling(max_tokens=2, stop=("b12x", "12x 1"))))
    assert completion.finish == "length"


@st.composite
def written(draw, vocab):
    """Draw a text and one of the ways in which tokens write it."""
    parts = st.sampled_from(
        ["é", "€", "!", " 1", "12", "1", "a", "b", "ab", "a b", "\n", "\n\n", "Q:", "é!", "🙂"]
    )
    text = "".join(draw(st.lists(parts, min_size=1, max_size=10)))
    left, tokens = named(text), []
    while left:
        fitting = [n for n in range(1, 5) if left[:n] in vocab]
        n = draw(st.sampled_from(fitting))
        tokens.append(left[:n])
        left = left[n:]
    return text, tokens


@settings(max_examples=100)
@given(data=st.data())
def test_a_stop_text_is_found_where_a_search_by_characters_finds_it(data, texts, tokenizer) -> None:
    vocab = tokenizer.get_vocab()
    text, tokens = data.draw(written(vocab))
    prompt, _ = data.draw(written(vocab))
    spans = st.builds(lambda i, n: text[i % len(text) :][:n], st.integers(0, 30), st.integers(1, 4))
    stops = tuple(data.draw(st.lists(spans | st.sampled_from(["é1", "zz", "b\n"]), min_size=1, max_size=3)))
    keep = data.draw(st.booleans())
    ids, prompt_ids = [vocab[token] for token in tokens], texts.encode(prompt).ids
    triggers = texts.triggers(stops)
    found = (
        (n, find_stop(texts, prompt_ids, ids[:n], stops, keep))
        for n in range(1, len(ids) + 1)
        if triggers[ids[n - 1]]
    )
    n_sampled, cut = next(((n, cut) for n, cut in found if cut), (len(ids), None))

    def n_covering(part: str) -> int:
        """Return how many tokens it takes to write a beginning of the text."""
        ends = np.cumsum([0, *map(len, tokens)])
        return int(np.searchsorted(ends, len(part.encode())))

    ends = [end for end in range(len(text) + 1) if text[:end].endswith(stops)]
    if not ends:
        assert cut is None
        return
    stop = max((s for s in stops if text[: ends[0]].endswith(s)), key=len)
    standing = text[: ends[0]] if keep else text[: ends[0] - len(stop)]
    assert n_sampled == n_covering(text[: ends[0]])
    assert cut is not None
    assert (cut.text, cut.stopped_by, cut.n_ids) == (standing, stop, n_covering(standing))
    assert texts.decode(prompt_ids, [*ids[: cut.n_whole], *texts.encode_rest(cut.rest)]) == standing


def test_random_bytes_stop_where_their_text_has_the_stop_text(engine_of, ask, prompts_of) -> None:
    engine, (prompt,) = engine_of("llama"), prompts_of(Rng(12), (5,))
    hot, seeds = {"temperature": 3.0, "max_tokens": 40}, Rng(13).seeds(6)
    for free in ask(engine, Sample(prompt, Sampling(**hot), 6), seeds):
        at = free.text.index("\ufffd") + 1
        stop = free.text[at : at + 2]
        end = free.text.index(stop) + 2
        (kept,) = ask(engine, Sample(prompt, Sampling(**hot, stop=(stop,), keep_stop=True)), [seeds[0]])
        seeds = seeds[1:]
        assert kept.text == free.text[:end]
        assert kept.ids == free.ids[: len(kept.ids)]


def test_what_goes_on_from_a_prefix_is_what_would_have_been_written_in_one_go(
    engine_of, ask, prompts_of
) -> None:
    engine, (prompt,) = engine_of("llama"), prompts_of(Rng(14), (9,))
    (whole,) = ask(engine, Sample(prompt, Sampling(max_tokens=30)))
    (first,) = ask(engine, Sample(prompt, Sampling(max_tokens=11)))
    (second,) = ask(engine, Sample(first.prefix, Sampling(max_tokens=19)))
    assert first.ids + second.ids == whole.ids
    assert second.prefix == Prefix(first.text + second.text, prompt.ids + whole.ids)
