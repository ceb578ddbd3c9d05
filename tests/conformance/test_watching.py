"""What the checks stand on: the engine, quiet and limits of time, global generators, watching."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from calculemus.conformance.actor import Actor
from calculemus.conformance.chance import known_states, shifted
from calculemus.conformance.quiet import kept_quiet, time_limit
from calculemus.conformance.voices import VOICES, sentence
from calculemus.conformance.watch import watched
from calculemus.engine.base import Job
from calculemus.engine.requests import Embed, EngineRequest, Sample, Sampling, Score, Value
from calculemus.errors import NotConformingError
from calculemus.problem import Problem


def reply(engine: Actor, request: EngineRequest, seeds: tuple[int, ...] = (0,)) -> object:
    engine.submit([Job(0, request, seeds)])
    (done,) = engine.wait()
    return done.reply


REQUESTS = [
    Sample("How many?", Sampling(0.7), 3),
    Score("How many?", (" yes", " no")),
    Value(("How many?", "Why?")),
    Embed(("eggs", "hens")),
]


@pytest.mark.parametrize("request_", REQUESTS, ids=lambda request: type(request).__name__)
def test_the_engine_says_what_request_seeds_and_salt_make_it_say(request_: EngineRequest) -> None:
    first, again, other = (reply(Actor(sentence, salt), request_, (1, 2, 3)) for salt in (0, 0, 1))
    assert first == again
    assert first != other


def test_the_engine_gives_every_token_a_log_probability_unless_it_is_plain() -> None:
    (completion,) = reply(Actor(sentence), Sample("How many?"))
    assert len(completion.logprobs) == len(completion.ids) > 3
    assert max(completion.logprobs) < 0
    plain = Actor(sentence, is_plain=True)
    assert reply(plain, Sample("How many?"))[0].logprobs is None
    assert plain.capabilities.kinds == {"Sample"}


def test_the_engine_ends_what_asks_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("calculemus.conformance.actor.MOST_JOBS", 5)
    engine = Actor(sentence)
    for _ in range(5):
        reply(engine, Sample("Again?"))
    with pytest.raises(NotConformingError, match="found 6 requests and no end in sight"):
        reply(engine, Sample("Again?"))


@pytest.mark.parametrize("name", VOICES)
def test_every_voice_says_its_number(name: str) -> None:
    assert "73" in VOICES[name](73)
    assert "73" not in VOICES[name](5)


def catch_everything() -> None:
    while True:
        with suppress(Exception):
            time.sleep(0.01)


def test_what_takes_too_long_is_interrupted_through_every_handler() -> None:
    expected = r"counting: it was still at work after 0\.05 s"
    with pytest.raises(NotConformingError, match=expected), time_limit(0.05, "counting"):
        catch_everything()


def test_what_is_in_time_leaves_no_alarm_behind() -> None:
    before = signal.getsignal(signal.SIGALRM)
    with time_limit(60, "counting"):
        assert signal.getsignal(signal.SIGALRM) != before
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
    assert signal.getsignal(signal.SIGALRM) == before


def test_an_interrupt_by_the_user_is_no_limit_of_time() -> None:
    with pytest.raises(KeyboardInterrupt), time_limit(60, "counting"):
        raise KeyboardInterrupt


def test_in_another_thread_the_block_is_left_alone() -> None:
    ended: list[str] = []

    def work() -> None:
        with time_limit(0.001, "counting"):
            time.sleep(0.02)
        ended.append("by itself")

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert ended == ["by itself"]


def test_what_is_printed_in_quiet_is_not_seen(capsys: pytest.CaptureFixture[str]) -> None:
    with kept_quiet():
        sys.stdout.write("out")
        sys.stderr.write("err")
    assert capsys.readouterr() == ("", "")


def test_global_generators_are_shifted_for_the_block_and_stand_where_they_were_behind_it() -> None:
    before = known_states()
    inside = []
    for way in (1, 2):
        with shifted(way):
            inside.append(known_states())
            random.random()
            np.random.random()  # noqa: NPY002  # the generator that everybody shares
    assert known_states() == before
    for name in ("random", "numpy.random"):
        states = [before[name], inside[0][name], inside[1][name]]
        assert all(states[i] != states[j] for i in range(3) for j in range(i))


def test_a_draw_from_a_global_generator_shows_in_its_state() -> None:
    with shifted(1):
        before = known_states()
        np.random.random()  # noqa: NPY002  # the generator that everybody shares
        assert [name for name, state in known_states().items() if state != before[name]] == ["numpy.random"]


@pytest.mark.parametrize("name", ["answer", "solution", "program", "golds"])
def test_whoever_reads_what_only_graders_may_see_is_noted(name: str) -> None:
    (problem,), notes = watched([Problem("p", "How many?", "18", "9 * 2", "answer = 18")])
    assert (problem.question, problem.id, problem.meta) == ("How many?", "p", {})
    assert notes == []
    getattr(problem, name)
    (note,) = notes
    assert note.startswith(f"'{name}' in {__file__}, line ")


def test_a_watched_problem_is_copied_by_the_library_without_a_note() -> None:
    (problem,), notes = watched([Problem("p", "How many?", "18")])
    assert asdict(problem)["answer"] == "18"
    assert notes == []


WATCH = """
import sys
from calculemus.conformance.watch import Watch
watch = Watch()
watch.is_on = True
{code}
watch.is_on = False
sys.stdout.write(repr(watch.seen))
"""


def seen_while(code: str, folder: Path) -> str:
    run = [sys.executable, "-W", "ignore", "-c", WATCH.format(code=code)]
    done = subprocess.run(run, capture_output=True, text=True, cwd=folder, check=True)
    return done.stdout


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("open('a', 'w').close()", "file"),
        ("open('a', 'ab').close()", "file"),
        ("import os; os.open('a', os.O_CREAT | os.O_WRONLY)", "file"),
        ("import os; os.mkdir('b')", "file"),
        ("import sqlite3; sqlite3.connect('a.sqlite')", "file"),
        ("import os; os.system('true')", "process"),
        ("import subprocess; subprocess.run(['true'])", "process"),
        ("import socket; socket.getaddrinfo('localhost', 80)", "connection"),
        ("import socket; socket.socket(type=socket.SOCK_DGRAM).sendto(b'', ('127.0.0.1', 9))", "connection"),
    ],
)
def test_what_touches_the_world_is_seen(code: str, kind: str, tmp_path: Path) -> None:
    assert f"('{kind}', " in seen_while(code, tmp_path)


@pytest.mark.parametrize(
    "code",
    [
        f"open({os.devnull!r}, 'w').close()",
        "import json; open(json.__file__).close()",
        "from calculemus.store import Store\nfrom pathlib import Path\nStore.open(Path('a.sqlite')).close()",
        "from calculemus.grading import workers\nworkers.warm()",
    ],
    ids=["nowhere", "reading", "core's own files", "core's own processes"],
)
def test_what_only_reads_or_is_done_by_core_is_nobodys_doing(code: str, tmp_path: Path) -> None:
    assert seen_while(code, tmp_path) == "[]"
