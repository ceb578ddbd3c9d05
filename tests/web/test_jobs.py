"""Work under stress: several servers, ends of servers, files that fail, commands that say odd things."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from calculemus.cli.telling import Teller
from calculemus.errors import InvalidParameterError, StoreError
from calculemus.events import FILE_VARIABLE, Note, Progress
from calculemus.web.contents import routes
from calculemus.web.site import Site
from calculemus.web.work.forms import order
from calculemus.web.work.queue import Job, Queue
from calculemus.web.work.supervisor import COMMAND, Supervisor

SHELL = (sys.executable, "-c")
SLEEPS = "import time; print('on', flush=True); time.sleep(60)"


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path / "store.db")


def wait(queue: Queue, job: Job, holds: Callable[[Job], bool]) -> Job:
    for _ in range(600):
        found = queue.get(job.id)
        if holds(found):
            return found
        time.sleep(0.05)
    raise AssertionError(f"waited in vain: {found}")


def is_over(job: Job) -> bool:
    return not job.is_open


def output(queue: Queue, job: Job) -> str:
    file = queue.place(job, "stdout")
    return file.read_text() if file.exists() else ""


def test_a_second_server_leaves_the_work_of_the_first_alone_and_takes_over_after_it(site: Site) -> None:
    queue = Queue(site.store)
    first, second = (Supervisor(Queue(site.store), SHELL) for _ in range(2))
    sleeps = queue.add("claim", "t", (SLEEPS, "vote"))
    waits = queue.add("claim", "t", ("print('ran')", "vote"))
    first.start()
    wait(queue, sleeps, lambda job: "on" in output(queue, job))
    second.start()
    second.wake()
    time.sleep(0.5)
    assert (queue.get(sleeps.id).status, queue.get(waits.id).status) == ("running", "waiting")
    first.stop()
    assert queue.get(sleeps.id).reason == "the server was stopped"
    assert wait(queue, waits, is_over).status == "done"
    second.stop()


def test_a_file_that_fails_for_a_moment_does_not_end_the_supervisor(site: Site) -> None:
    queue = Queue(site.store)
    job = queue.add("claim", "t", ("print('ran')", "vote"))
    calls = {"begin_next": queue.begin_next, "get": queue.get, "end": queue.end, "note": queue.note_process}
    failed: list[str] = []

    def failing_once(name: str) -> Callable[..., object]:
        def call(*arguments: object) -> object:
            if name not in failed:
                failed.append(name)
                raise StoreError("no space left")
            return calls[name](*arguments)

        return call

    queue.begin_next, queue.get = failing_once("begin_next"), failing_once("get")  # type: ignore[method-assign, assignment]  # faults on purpose
    queue.end, queue.note_process = failing_once("end"), failing_once("note")  # type: ignore[method-assign, assignment]  # faults on purpose
    supervisor = Supervisor(queue, SHELL)
    supervisor.start()
    assert wait(Queue(site.store), job, is_over).status == "done"
    supervisor.stop()
    assert {"begin_next", "end", "note"} <= set(failed)


def test_a_command_heeds_the_interrupt_even_if_the_server_was_started_without(tmp_path: Path) -> None:
    program = (
        "import signal, subprocess, sys\n"
        "signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        "sys.exit(subprocess.call(sys.argv[1:]))"
    )
    heeds = COMMAND[2].replace("from calculemus.cli import main; main()", SLEEPS)
    assert heeds.endswith(SLEEPS)
    line = [*SHELL, program, sys.executable, "-c", heeds]
    with subprocess.Popen(
        line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
    ) as run:
        assert run.stdout is not None
        assert run.stdout.readline() == b"on\n"
        os.killpg(run.pid, signal.SIGINT)
        assert b"KeyboardInterrupt" in run.communicate(timeout=20)[1]


def test_a_command_sees_the_cards_of_the_site_and_not_the_token(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CALCULEMUS_WEB_TOKEN", "secret")
    monkeypatch.setenv("CALCULEMUS_CARDS", "/others")
    queue = Queue(site.store)
    says = "import os; e = os.environ; print(e['CALCULEMUS_CARDS'], e.get('CALCULEMUS_WEB_TOKEN'))"
    job = queue.add("comparison", "t", (says,))
    supervisor = Supervisor(queue, SHELL, cards=[tmp_path / "cards"])
    supervisor.start()
    wait(queue, job, is_over)
    supervisor.stop()
    assert output(queue, job).split() == [f"/others{os.pathsep}{tmp_path / 'cards'}", "None"]


def test_output_is_there_before_the_command_ends(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)
    queue = Queue(site.store)
    job = queue.add("claim", "t", ("import time; print('soon'); time.sleep(60)", "vote"))
    supervisor = Supervisor(queue, SHELL)
    supervisor.start()
    wait(queue, job, lambda job: "soon" in output(queue, job))
    assert queue.get(job.id).status == "running"
    supervisor.stop()


def test_a_stream_ends_with_its_server_though_the_job_goes_on(
    site: Site, browse: Callable[..., TestClient]
) -> None:
    job = Queue(site.store).add("claim", "t", ("claim", "vote"))
    looks = iter([False, False])
    more = routes(site, lambda: None, lambda: next(looks, True))
    text = browse(site, more=more).get(f"/jobs/{job.id}/events").text
    assert text.count("event: state") == 1
    assert "event: over" not in text


def test_half_a_character_in_what_a_command_tells_breaks_no_page(
    site: Site, browse: Callable[..., TestClient]
) -> None:
    queue = Queue(site.store)
    job = queue.add("claim", "t", ("claim", "vote"))
    queue.place(job, "").mkdir(parents=True)
    tell = Teller(queue.place(job, "events"))
    tell(Note("reading \udce9.json"))
    tell(Progress("reading \udce9.json", 1, 2))
    client = browse(site, more=routes(site, lambda: None))
    record = client.get(f"/jobs/{job.id}.json").json()
    assert record["notes"] == [record["tasks"][0]["task"]] == ["reading ?.json"]
    assert client.get(f"/jobs/{job.id}").status_code == 200


def test_a_large_generated_set_is_checked_by_its_first_problem(site: Site) -> None:
    fields = {"systems": "cot@tiny", "problems": "generated:level=2,n=1000000000"}
    assert "--problems=generated:level=2,n=1000000000" in order("comparison", fields, site).arguments


@pytest.mark.parametrize("model", ["tinny", "tiny+nobody", "/nowhere/at/all", "tiny,nobody"])
def test_a_model_that_the_command_would_not_take_is_refused(site: Site, model: str) -> None:
    fields = {"systems": f"cot@{model}", "problems": "generated:level=2,n=5"}
    with pytest.raises(InvalidParameterError, match="expected"):
        order("comparison", fields, site)
    if "," not in model:
        with pytest.raises(InvalidParameterError, match="expected"):
            order("claim", {"id": "vote", "size": "smoke", "model": model}, site)


@pytest.mark.slow
def test_the_server_ends_while_a_page_follows_a_job(tmp_path: Path) -> None:
    import httpx

    queue = Queue(tmp_path / "store.db")
    job = queue.add("claim", "Claim of vote, small", ("claim", "vote", f"--store={tmp_path / 'store.db'}"))
    line = [*COMMAND, "web", "--port", "0", "--store", str(tmp_path / "store.db")]
    heard = threading.Event()

    def follow(address: str) -> None:
        with httpx.stream("GET", f"{address}jobs/{job.id}/events", timeout=None) as stream:
            for _ in stream.iter_lines():
                heard.set()

    environment = {name: value for name, value in os.environ.items() if name != FILE_VARIABLE}
    with subprocess.Popen(line, stdout=subprocess.PIPE, text=True, env=environment) as server:
        try:
            assert server.stdout is not None
            address = server.stdout.readline().split()[0]
            wait(queue, job, lambda found: found.pid is not None)
            reader = threading.Thread(target=follow, args=(address,))
            reader.start()
            assert heard.wait(20)
            server.send_signal(signal.SIGINT)
            said = server.communicate(timeout=40)[0]
        finally:
            server.kill()
    reader.join(20)
    assert "interrupting 'Claim of vote, small'" in said
    assert queue.get(job.id).reason == "the server was stopped"
