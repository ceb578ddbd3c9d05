"""A real server on loopback, ``transformers serve`` with a tiny Llama, and the same model asked directly."""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from calculemus.engine.base import Job
from calculemus.engine.http_engine import HttpEngine
from calculemus.engine.requests import Chat, Sample, Sampling, Score
from calculemus.errors import EngineCapabilityError, EngineError
from calculemus.grading import get_grader
from calculemus.problems import load
from calculemus.rng import Rng
from calculemus.tiny import MODEL

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
tokenizers = pytest.importorskip("tokenizers")
for module in ("accelerate", "fastapi", "openai", "uvicorn"):
    pytest.importorskip(module)

from calculemus.engine.torch_engine import TorchEngine  # noqa: E402  # needs what was just asked for

pytestmark = pytest.mark.slow

WORDS = ["<s>", "</s>", "<unk>", "<user>", "<assistant>", *map(str, range(10)), *"+-=.,", "Q:", "A:"]
WORDS += [f"w{i}" for i in range(40)]
TEMPLATE = (
    "{% for message in messages %}<{{ message['role'] }}> {{ message['content'] }} {% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)
PROMPTS = [f"Q: w{i} + {i % 10} = w{3 * i % 40} A:" for i in range(20)]
LENGTH = 24


def save_model(folder: Path) -> None:
    """Write a Llama of four layers with random weights, and a tokenizer of words with a chat template."""
    words = tokenizers.models.WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="<unk>")
    tokenizer = tokenizers.Tokenizer(words)
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.WhitespaceSplit()
    fast = transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<s>",
        eos_token="</s>",
        unk_token="<unk>",
        chat_template=TEMPLATE,
    )
    config = transformers.LlamaConfig(
        vocab_size=len(WORDS),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=4,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=256,
        bos_token_id=0,
        eos_token_id=1,
    )
    model = transformers.LlamaForCausalLM(config).float()
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.ndim > 1:
                drawn = Rng(0, (name,)).generator().standard_normal(weight.shape)
                weight.copy_(torch.from_numpy(0.3 * drawn))
        for word in ("<s>", "<unk>", "<user>", "<assistant>"):
            model.lm_head.weight[WORDS.index(word)] = 0  # hardly ever sampled: the server would not show it
    model.generation_config.do_sample = True  # otherwise the server has no ear for temperatures
    model.save_pretrained(folder)
    fast.save_pretrained(folder)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """The model on disk."""
    path = tmp_path_factory.mktemp("llama") / "model"
    save_model(path)
    return path


@contextmanager
def serving(folder: Path, logs: Path) -> Iterator[str]:
    """Serve a model in a process of its own; gives its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = logs / "serve.log"
    command = [Path(sys.executable).with_name("transformers"), "serve", folder, "--device", "cpu"]
    command += ["--host", "127.0.0.1", "--port", str(port)]
    env = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(log.parent), "OMP_NUM_THREADS": "1"}
    with log.open("wb") as output:
        server = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, env=env)
    try:
        await_health(server, f"http://127.0.0.1:{port}/health", log)
        yield f"http://127.0.0.1:{port}/v1#{folder}"
    finally:
        server.terminate()
        try:
            server.wait(10)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


@pytest.fixture(scope="module")
def address(folder, tmp_path_factory):
    """The model behind a server."""
    with serving(folder, tmp_path_factory.mktemp("log")) as found:
        yield found


def await_health(server: subprocess.Popen, url: str, log: Path) -> None:
    """Wait until the server answers."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and server.poll() is None:
        try:
            if httpx.get(url, trust_env=False).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    pytest.fail(f"the server does not run: {log.read_text()[-2000:]}")


@pytest.fixture(scope="module")
def engine(address):
    """An engine on the server."""
    made = HttpEngine(address, first_pause=0.05, timeout=120, concurrency=8)
    yield made
    made.close()


@pytest.fixture(scope="module")
def greedy(folder):
    """Answer token ids with the model itself: text and number of sampled tokens."""
    model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)

    def answer(ids: list[int]) -> tuple[str, int]:
        new: list[int] = []
        with torch.no_grad():
            while len(new) < LENGTH and new[-1:] != [tokenizer.eos_token_id]:
                logits = model(torch.tensor([ids + new])).logits[0, -1]
                new.append(int(logits.argmax()))
        return tokenizer.decode(new, skip_special_tokens=True), len(new)

    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # a model this small only waits for more of them
    yield answer, tokenizer
    torch.set_num_threads(threads)


def test_greedy_completions_are_those_of_the_model_itself(engine, greedy, run) -> None:
    answer, tokenizer = greedy
    back = run(engine, *((Sample(prompt, Sampling(max_tokens=LENGTH)), (0,)) for prompt in PROMPTS))
    finishes = set()
    for done, prompt in zip(back, PROMPTS, strict=True):
        ids = tokenizer(prompt)["input_ids"]
        text, n_sampled = answer(ids)
        (completion,) = done.reply
        assert completion.text == " " + text, "the server loses the first space"
        assert (done.cost.tokens_in, done.cost.tokens_out) == (len(ids), n_sampled)
        finishes.add(completion.finish)
    assert len({done.reply[0].text for done in back}) == len(PROMPTS)
    assert finishes == {"stop", "length"}


def test_greedy_answers_to_conversations_are_those_of_the_model_itself(engine, greedy, run) -> None:
    answer, tokenizer = greedy
    chats = [Chat((("user", f"w{i} + 1"), ("assistant", "="), ("user", "w2 ?"))) for i in range(8)]
    back = run(engine, *((Sample(chat, Sampling(max_tokens=LENGTH)), (0,)) for chat in chats))
    for done, chat in zip(back, chats, strict=True):
        messages = [{"role": role, "content": text} for role, text in chat.messages]
        ids = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_dict=True)[
            "input_ids"
        ]
        assert done.reply[0].text == answer(list(ids))[0]


def test_greedy_completions_are_those_of_the_local_engine(engine, folder, run) -> None:
    local = TorchEngine(folder)
    whole = [Sample(prompt, Sampling(max_tokens=LENGTH)) for prompt in PROMPTS]
    cut = [
        Sample(prompt, Sampling(max_tokens=LENGTH, stop=(" w1", "="), keep_stop=True)) for prompt in PROMPTS
    ]
    asked = [(request, (0,)) for request in whole + cut]
    here, there = run(local, *asked), run(engine, *asked)
    for a, b in zip(here, there, strict=True):
        (mine,), (theirs,) = a.reply, b.reply
        assert (mine.text, mine.finish, mine.stopped_by) == (theirs.text, theirs.finish, theirs.stopped_by)
        assert mine.prefix.text == theirs.prefix.text
    sampled = [(a.cost.tokens_out, b.cost.tokens_out) for a, b in zip(here, there, strict=True)]
    assert all(mine == theirs for mine, theirs in sampled[: len(whole)])
    local.close()


def test_a_stop_text_ends_a_completion_although_this_server_has_no_stops(engine, greedy, run) -> None:
    answer, tokenizer = greedy
    whole, n_sampled = answer(tokenizer(PROMPTS[0])["input_ids"])
    stop = whole.split()[3]
    (done,) = run(engine, (Sample(PROMPTS[0], Sampling(max_tokens=LENGTH, stop=(stop,))), (0,)))
    (completion,) = done.reply
    assert completion.text == " " + whole[: whole.index(stop)]
    assert (completion.finish, completion.stopped_by) == ("stop", stop)
    assert done.cost.tokens_out + done.cost.tokens_discarded == n_sampled


def test_what_this_server_only_seems_to_take_is_found_out(engine, run) -> None:
    can = engine.capabilities
    assert can.kinds == {"Sample"}
    assert not can.logprobs
    assert can.deterministic is not True, "its seeds are those of the process, and requests share them"
    for path in ("completions", "chat/completions"):
        assert can.facts[path]["n"] == "emulated by repeated requests"
        assert can.facts[path]["logprobs"] == "not given"
        assert can.facts[path]["usage"] == "checked"
    with pytest.raises(EngineCapabilityError, match="log-probabilities"):
        run(engine, (Score(PROMPTS[0], (" w1",)), ()))


def test_several_samples_differ_although_the_server_returns_one(engine, run) -> None:
    (done,) = run(
        engine, (Sample(PROMPTS[0], Sampling(temperature=1.0, max_tokens=LENGTH), 5), tuple(range(5)))
    )
    assert len(done.reply) == 5
    assert len({completion.text for completion in done.reply}) > 1


def test_a_model_that_the_server_has_not_is_reported(address) -> None:
    with pytest.raises(EngineError, match="Server is pinned to"):
        HttpEngine(address + "-other", retries=1, first_pause=0.05)


def test_the_shipped_model_behind_a_server_gives_the_greedy_answers_of_the_local_engine(tmp_path) -> None:
    folder = tmp_path / "tiny"
    shutil.copytree(MODEL, folder)
    # The server speaks in chats alone; this template hands on what it is given.
    (folder / "chat_template.jinja").write_text("{% for m in messages %}{{ m['content'] }}{% endfor %}")
    problems = load("generated:level=3,n=12")
    prompts = [f"Q: {problem.question}\nA:" for problem in problems]
    sampling = Sampling(max_tokens=160)
    local = TorchEngine(MODEL, rows=16)
    expected = [completion.text for (completion,) in answers(local, [Sample(p, sampling) for p in prompts])]
    local.close()
    with serving(folder, tmp_path) as address:
        remote = HttpEngine(address, first_pause=0.05, timeout=120, concurrency=4)
        chats = [Sample(Chat((("user", prompt),)), sampling) for prompt in prompts]
        found = [completion.text for (completion,) in answers(remote, chats)]
        remote.close()
    assert [text.strip() for text in found] == [text.strip() for text in expected]
    grader = get_grader("default")
    assert any(grader.grade(problem, text).correct for problem, text in zip(problems, found, strict=True))


def answers(engine, requests):
    """Ask an engine and return the replies in order."""
    engine.submit([Job(ticket, request, (0,)) for ticket, request in enumerate(requests)])
    replies = {}
    while done := engine.wait():
        replies |= {one.ticket: one.reply for one in done}
    return [replies[ticket] for ticket in range(len(requests))]
