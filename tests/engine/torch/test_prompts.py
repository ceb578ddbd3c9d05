"""From prompts to token ids: plain texts, prefixes, conversations, and what cannot be encoded."""

import pytest

from calculemus.engine.requests import Chat, Prefix, Sample, Sampling
from calculemus.engine.torch_engine.text import Texts
from calculemus.errors import EngineError

TEMPLATE = (
    "{% for m in messages %}"
    "{% if m['role'] == 'system' and not loop.first %}{{ raise_exception('system comes first') }}{% endif %}"
    "[{{ m['role'] }}]{{ m['content'] | trim }}[/]"
    "{% endfor %}{% if add_generation_prompt %}[assistant]{% endif %}"
)
TURNS = (("system", "Add."), ("user", "1 + 1?"))


@pytest.fixture(scope="module")
def marked(make_tokenizer, texts_of) -> Texts:
    """Texts of a tokenizer that puts a mark before what it encodes, without a template."""
    from tokenizers.processors import TemplateProcessing

    tokenizer = make_tokenizer(bos_token="<pad>")
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single="<pad> $A", pair="<pad> $A $B", special_tokens=[("<pad>", 0)]
    )
    return texts_of(tokenizer)


@pytest.fixture(scope="module")
def chatty(make_tokenizer, texts_of) -> Texts:
    """Texts of a tokenizer with a chat template."""
    return texts_of(make_tokenizer(chat_template=TEMPLATE))


def test_a_text_is_encoded_with_the_marks_of_the_tokenizer_and_its_rest_without(marked) -> None:
    plain = marked.encode_rest("ab c")
    assert marked.encode("ab c").ids == (0, *plain)
    assert marked.encode(Prefix("ab c")).ids == (0, *plain)


def test_a_prefix_keeps_its_ids_and_encodes_only_what_was_added(marked) -> None:
    b, a = marked.encode_rest("b")[0], marked.encode_rest("a")[0]
    prefix = Prefix("ab", (a, b)) + " 1" + "2"
    assert marked.encode_rest("ab") != (a, b)  # the tokenizer would have written one token
    assert marked.encode(prefix).ids == (a, b, *marked.encode_rest(" 12"))
    assert marked.encode(prefix).text == "ab 12"


def test_a_prefix_without_ids_is_encoded_whole(marked) -> None:
    assert marked.encode(Prefix("a") + "b").ids == marked.encode("ab").ids


def test_a_conversation_is_written_by_the_template_and_its_marks_are_not_doubled(chatty) -> None:
    assert chatty.render(Chat(TURNS)) == "[system]Add.[/][user]1 + 1?[/][assistant]"
    assert chatty.encode(Chat(TURNS)).ids == chatty.encode_rest("[system]Add.[/][user]1 + 1?[/][assistant]")


@pytest.mark.parametrize("said", ["It is", "It is 2.\nSo", "[/]"])
def test_what_the_assistant_says_last_is_left_open(said, chatty) -> None:
    assert chatty.render(Chat(TURNS) + said) == f"[system]Add.[/][user]1 + 1?[/][assistant]{said}"


def test_without_a_template_a_conversation_is_written_plainly_and_with_marks(marked) -> None:
    assert marked.render(Chat(TURNS)) == "System: Add.\n\nUser: 1 + 1?\n\nAssistant:"
    assert marked.render(Chat(TURNS) + " It is") == "System: Add.\n\nUser: 1 + 1?\n\nAssistant:  It is"
    assert marked.encode(Chat(TURNS)).ids == marked.encode(marked.render(Chat(TURNS))).ids


def test_turns_that_the_template_refuses_are_an_error_that_names_them(chatty) -> None:
    with pytest.raises(EngineError, match=r"user, system.*system comes first"):
        chatty.encode(Chat((("user", "1"), ("system", "2"))))


def test_a_continuation_goes_on_in_the_tokens_of_the_prompt_where_it_can(texts) -> None:
    prompt = texts.encode("12")
    assert texts.continuation(prompt, "x") == texts.encode_rest("x")
    assert texts.continuation(texts.encode("a"), "b") == texts.encode_rest("b")  # not the second half of ab
    assert texts.continuation(prompt, (7, 8)) == (7, 8)
    assert texts.continuation(prompt, "") == texts.continuation(prompt, ()) == ()


@pytest.mark.parametrize("text", ["", Prefix("", ()), Prefix("")])
def test_a_prompt_without_tokens_is_refused(text, texts) -> None:
    with pytest.raises(EngineError, match="no tokens; expected one at least"):
        texts.encode(text)


@pytest.mark.parametrize("ids", [(5, -1), (5, 300)])
def test_ids_that_the_model_does_not_have_are_refused(ids, texts) -> None:
    with pytest.raises(EngineError, match=r"ids from .* the model from 0 to \d+"):
        texts.encode(Prefix("?", ids))
    with pytest.raises(EngineError, match=r"a continuation: it has ids from"):
        texts.continuation(texts.encode("a"), ids)


def test_text_that_cannot_be_written_in_utf_8_is_refused(texts) -> None:
    for prompt in ("a\ud800", Prefix("a", (5,), "\udfff"), Chat((("user", "\ud800"),))):
        with pytest.raises(EngineError, match=r"does not take it.*lone surrogates"):
            texts.encode(prompt)


def test_ends_of_text_come_from_tokenizer_configuration_and_generation_settings(
    make_tokenizer, texts_of
) -> None:
    assert texts_of(make_tokenizer()).ends == (1,)
    assert texts_of(make_tokenizer(), eos_token_id=[7, 9]).ends == (1, 7, 9)
    assert texts_of(make_tokenizer(eos_token=None), eos_token_id=0).ends == (0,)
    assert texts_of(make_tokenizer(eos_token=None), eos_token_id=None).ends == ()


def test_new_tokens_are_decoded_as_they_stand_behind_the_prompt(texts) -> None:
    e, acute = texts.encode_rest("é")
    assert texts.decode((e,), (acute,)) == "é"  # the prompt ended inside the character
    assert texts.decode(texts.encode("ab").ids, (e, acute)) == "é"
    assert texts.decode(texts.encode("ab\ufffd").ids, texts.encode_rest(" 1")) == " 1"
    assert texts.decode(texts.encode("x" * 20).ids, ()) == ""


def test_bad_prompts_come_back_as_errors_and_the_others_as_replies(engine_of, run) -> None:
    engine = engine_of("llama")
    prompts = ["", "ab", Prefix("x", (5, 9999)), "\ud800", "12"]
    done = run(engine, [Sample(prompt, Sampling(max_tokens=3)) for prompt in prompts])
    assert [isinstance(one.error, EngineError) for one in done] == [True, False, True, True, False]
    assert [one.reply is None for one in done] == [True, False, True, True, False]
    assert all(one.cost.tokens_in == 0 for one in done if one.error)


def test_a_conversation_is_continued_as_the_text_that_it_is_written_as(
    folder_of, open_engine, make_tokenizer, ask
) -> None:
    tokenizer = make_tokenizer(eos_token=None, chat_template=TEMPLATE)
    engine, six = open_engine(folder_of("llama"), tokenizer=tokenizer), Sampling(max_tokens=6)
    assert engine.capabilities.facts["chat_template"] is True
    for chat in (Chat(TURNS), Chat(TURNS) + "It is"):
        (completion,) = ask(engine, Sample(chat, six))
        written = "[system]Add.[/][user]1 + 1?[/][assistant]" + ("It is" if len(chat.messages) == 3 else "")
        (wanted,) = ask(engine, Sample(Prefix(written, tuple(tokenizer(written)["input_ids"])), six))
        assert completion == wanted
        assert completion.prefix.text == written + completion.text


@pytest.mark.parametrize(
    ("template", "takes"),
    [
        (TEMPLATE, True),
        (
            TEMPLATE.replace(
                "{% for", "{% if messages[0].role == 'system' %}{{ raise_exception('no') }}{% endif %}{% for"
            ),
            False,
        ),
        ("{% for m in messages if m.role != 'system' %}{{ m.content }}{% endfor %}", False),
        (None, True),
    ],
)
def test_an_engine_says_whether_the_template_shows_a_system_message(
    make_tokenizer, texts_of, template, takes
) -> None:
    assert texts_of(make_tokenizer(chat_template=template)).takes_system is takes
