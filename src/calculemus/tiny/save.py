"""Writing a trained model as a folder in the format of Hugging Face."""

import json
from pathlib import Path

from transformers import GenerationConfig, PreTrainedModel, PreTrainedTokenizerBase

from calculemus.tiny.tokenizer import marks
from calculemus.tuning.quiet import quiet

SETTINGS = '# How calculemus asks this model: prompts of its own, no examples, no chat.\nprompts = "tiny"\n'


def save(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
    """Write a model and its tokenizer, ready for greedy decoding unless asked otherwise."""
    folder.mkdir(parents=True, exist_ok=True)
    end, pad = marks(tokenizer)
    model.generation_config = GenerationConfig(eos_token_id=end, pad_token_id=pad, do_sample=False)
    with quiet():
        model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    _name_tokenizer(folder / "tokenizer_config.json")
    for file in folder.glob("*.safetensors"):
        file.chmod(0o644)  # the library makes them unreadable for others
    (folder / "calculemus.toml").write_text(SETTINGS, "utf-8")


def _name_tokenizer(file: Path) -> None:
    """Write the class's older name, which every version of the library knows."""
    settings = json.loads(file.read_text("utf-8"))
    settings["tokenizer_class"] = "PreTrainedTokenizerFast"
    file.write_text(json.dumps(settings, indent=2) + "\n", "utf-8")
