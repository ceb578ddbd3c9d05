"""A tokenizer for a closed vocabulary that loses no text at all.

A text is cut into words with the space before them, single digits and single signs. A piece that the
vocabulary has is one token; any other is spelled in bytes. There are no merges to learn.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

from calculemus.errors import InvalidParameterError
from calculemus.problems.generated import Generated, Spec
from calculemus.tiny.text import MODES, completion, prompt

END, PAD = "<|end|>", "<|pad|>"
CONTEXT = 512
_PIECES = r"####| ?<<| ?>>| ?[^\W\d_]+|\d|\n(?: {4})?| ?[^\w\s]| ?_|\s"  # as the generator's own pieces
_SAMPLES = 400  # a source; with these every word of the closed vocabulary has been seen many times


def _pre_tokenizer() -> pre_tokenizers.PreTokenizer:
    cut = pre_tokenizers.Split(Regex(_PIECES), behavior="isolated")
    return pre_tokenizers.Sequence([cut, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])


def pieces(texts: Iterable[str]) -> list[str]:
    """Return the different pieces of some texts, sorted, in the letters that stand for bytes."""
    cut = _pre_tokenizer()
    return sorted({piece for text in texts for piece, _ in cut.pre_tokenize_str(text)})


def generated_texts(language: str) -> Iterator[str]:
    """Yield texts of every level in one language, the held-out words among them."""
    for level in range(1, 9):
        spec = replace(Spec.level(level), wording="plain", language=language)
        for split in ("train", "templates", "names"):
            source = Generated(spec, split)
            for index in range(_SAMPLES):
                item = source[index]
                yield from (prompt(item.question, mode) + completion(item, mode) for mode in MODES)


def marks(tokenizer: PreTrainedTokenizerBase) -> tuple[int, int]:
    """Return the ids of the end and of padding; the end pads too where a tokenizer has no other.

    Raises:
        InvalidParameterError: A tokenizer without a mark of the end.
    """
    end, pad = tokenizer.eos_token_id, tokenizer.pad_token_id
    if not isinstance(end, int):
        raise InvalidParameterError(
            f"preparing examples: the tokenizer '{tokenizer.name_or_path}' has no token that ends a text; "
            f"expected one, as each example ends with it. Name one as eos_token in its tokenizer_config.json"
        )
    return end, pad if isinstance(pad, int) else end


def build(words: Iterable[str]) -> PreTrainedTokenizerFast:
    """Return the tokenizer whose tokens are two marks, all bytes, and ``words`` as ``pieces`` gives them."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokens = dict.fromkeys([END, PAD, *letters, *words])
    vocabulary = {token: number for number, token in enumerate(tokens)}
    model = models.BPE(vocab=vocabulary, merges=[], ignore_merges=True)
    tokenizer = Tokenizer(model)
    tokenizer.pre_tokenizer = _pre_tokenizer()
    tokenizer.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token=END,
        pad_token=PAD,
        model_max_length=CONTEXT,
        padding_side="left",
        clean_up_tokenization_spaces=False,
    )
