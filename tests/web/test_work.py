"""Work that runs: in order, to its end or its cancelling, through the end of its server."""

import json
import os
import subprocess
import threading
import time
from pathlib import Path

import pytest
from starlette.testclient import TestClient
from tests.web.conftest import is_text_only
from tests.web.working import SHELL, is_over, send, started, until, working

from calculemus.cli.telling import Teller
from calculemus.errors import PageError
from calculemus.events import FILE_VARIABLE, Note, Progress
from calculemus.web.site import Site
from calculemus.web.work.progress import TAIL, record_of
from calculemus.web.work.queue import Queue


def test_jobs_run_one_after_the_other_and_keep_what_they_wrote(site: Site) -> None:
    queue = Queue(site.store)
    says = "import time; print('at', time.monotonic()); time.sleep(0.3); print('till', time.monotonic())"
    first, second = (queue.add("claim", "t", (says, "vote")) for _ in range(2))
    with working(site):
        until(site, second, is_over)
    times = [record_of(queue, queue.get(job.id))["output"].split() for job in (first, second)]
    assert float(times[0][3]) <= float(times[1][1])
    assert [queue.get(job.id).status for job in (first, second)] == ["done", "done"]


def test_a_crash_is_told_with_what_the_command_said(site: Site, client: TestClient) -> None:
    job = Queue(site.store).add("claim", "t", ("raise SystemExit('error: <b>no room</b>')", "vote"))
    with working(site):
        found = until(site, job, is_over)
    assert (found.status, found.code) == ("failed", 1)
    text = client.get(f"/jobs/{job.id}").text
    assert "error: &lt;b&gt;no room" in text
    assert "exit status 1" in text


def test_a_cancelled_command_is_interrupted_and_keeps_what_it_has(site: Site, client: TestClient) -> None:
    program = (
        "import time\n"
        "print('begun', flush=True)\n"
        "try:\n    time.sleep(60)\n"
        "except KeyboardInterrupt:\n    print('kept', flush=True); raise SystemExit(130)"
    )
    queue = Queue(site.store)
    job, waiting = (queue.add("claim", "t", (program, "vote")) for _ in range(2))
    with working(site):
        until(site, job, started(site, "begun"))
        for each in (waiting, job):
            reply = send(client, f"/jobs/{each.id}/cancel", {"form_key": site.form_key})
            assert reply.status_code == 303
        found = until(site, job, is_over)
    assert (found.status, found.code) == ("cancelled", 130)
    assert "kept" in record_of(queue, found)["output"]
    assert (queue.get(waiting.id).status, queue.get(waiting.id).started) == ("cancelled", None)
    assert queue.cancel(job.id).status == "cancelled"


def test_a_command_that_ignores_the_interrupt_is_killed_with_its_children(site: Site) -> None:
    program = (
        "import signal, subprocess, sys, time\n"
        "signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        "print('child', child.pid, flush=True)\n"
        "time.sleep(60)"
    )
    queue = Queue(site.store)
    job = queue.add("claim", "t", (program, "vote"))
    with working(site, grace=0.3):
        until(site, job, started(site, "child"))
        queue.cancel(job.id)
        found = until(site, job, is_over)
    assert (found.status, found.code) == ("cancelled", -9)
    child = int(record_of(queue, found)["output"].split()[1])
    for _ in range(100):
        if not _runs(child):
            break
        time.sleep(0.05)
    assert not _runs(child)


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def test_a_server_that_stops_interrupts_what_runs_and_keeps_what_waits(site: Site) -> None:
    queue = Queue(site.store)
    sleeps = queue.add("claim", "t", ("import time; print('on', flush=True); time.sleep(60)", "vote"))
    waits = queue.add("claim", "t", ("print('ran')", "vote"))
    with working(site):
        until(site, sleeps, started(site, "on"))
    stopped = queue.get(sleeps.id)
    assert (stopped.status, stopped.reason) == ("cancelled", "the server was stopped")
    assert queue.get(waits.id).status == "waiting"
    with working(site):
        assert until(site, waits, is_over).status == "done"


def test_work_of_a_server_that_was_killed_is_not_running_for_ever(site: Site) -> None:
    queue = Queue(site.store)
    job = queue.add("claim", "t", ("unused", "vote"))
    assert queue.begin_next() is not None
    queue.place(job, "").mkdir(parents=True)
    orphan = subprocess.Popen(
        [*SHELL, "import time; time.sleep(60)"],
        env={**os.environ, FILE_VARIABLE: str(queue.place(job, "events"))},
        start_new_session=True,
    )
    queue.note_process(job, orphan.pid)
    with working(site):
        found = until(site, job, is_over)
    assert (found.status, found.reason) == ("failed", "the server that ran it is gone")
    assert orphan.wait(10) != 0


def test_a_process_that_has_got_the_number_of_an_old_one_is_left_alone(site: Site) -> None:
    queue = Queue(site.store)
    job = queue.add("claim", "t", ("unused", "vote"))
    queue.begin_next()
    queue.note_process(job, os.getpid())  # an interrupt would end this test
    with working(site):
        assert until(site, job, is_over).status == "failed"


def test_progress_and_notes_arrive_and_half_a_line_does_not(site: Site, client: TestClient) -> None:
    queue = Queue(site.store)
    job = queue.begin_next() or queue.add("claim", "t", ("claim", "vote"))
    queue.begin_next()
    queue.place(job, "").mkdir(parents=True)
    tell = Teller(queue.place(job, "events"))
    tell(Progress("answers", 0, 10))
    tell(Note("<script>alert(1)</script>"))
    tell(Progress("answers", 10, 10, finished=True))
    tell(Progress("verdicts", 3, None, finished=True))
    with queue.place(job, "events").open("a") as file:
        file.write('[1]\n7\n{"task": "half')
    record = client.get(f"/jobs/{job.id}.json").json()
    assert record["tasks"] == [
        {"task": "answers", "done": 10, "total": 10},
        {"task": "verdicts", "done": 3, "total": None},
    ]
    assert record["notes"] == ["<script>alert(1)</script>"]
    assert is_text_only(client.get(f"/jobs/{job.id}").text)


def test_progress_is_told_now_and_then_and_its_end_always(tmp_path: Path) -> None:
    tell = Teller(tmp_path / "events")
    for done in range(1000):
        tell(Progress("much", done, 1000))
    tell(Progress("much", 1000, 1000, finished=True))
    lines = [json.loads(line) for line in (tmp_path / "events").read_text().splitlines()]
    assert lines[0]["done"] == 0
    assert lines[-1]["done"] == 1000
    assert len(lines) < 100


def test_a_file_that_cannot_be_written_stops_no_command(tmp_path: Path) -> None:
    tell = Teller(tmp_path / "nowhere" / "events")
    tell(Note("unheard"))
    assert not (tmp_path / "nowhere").exists()


def test_a_pipe_that_nobody_reads_stops_no_command(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "events")
    tell = Teller(tmp_path / "events")
    tell(Note("unheard"))
    assert (tmp_path / "events").is_fifo()


def test_a_megabyte_of_output_is_shown_from_its_end(site: Site, client: TestClient) -> None:
    queue = Queue(site.store)
    job = queue.add("claim", "t", ("print('x' * 1_000_000); print('<script>alert(1)</script> end')", "vote"))
    with working(site):
        until(site, job, is_over)
    output = client.get(f"/jobs/{job.id}.json").json()["output"]
    assert len(output) < TAIL + 100
    assert "bytes before]" in output.splitlines()[0]
    assert output.rstrip().endswith("end")
    assert is_text_only(client.get(f"/jobs/{job.id}").text)


def test_the_stream_of_a_job_tells_every_state_until_the_end(site: Site, client: TestClient) -> None:
    queue = Queue(site.store)
    job = queue.add(
        "claim", "t", ("import time; print('one\\r\\ndata: forged', flush=True); time.sleep(1)", "vote")
    )
    with working(site):
        text = client.get(f"/jobs/{job.id}/events").text
    events = [block.splitlines() for block in text.strip().split("\n\n") if not block.startswith(":")]
    assert [lines[0] for lines in events[-2:]] == ["event: state", "event: over"]
    assert all(line.startswith("data:") for lines in events for line in lines[1:])
    assert 'data-testid="status">done' in "\n".join(events[-2])
    again = client.get(f"/jobs/{job.id}/events").text
    assert again.count("event: state") == again.count("event: over") == 1


def test_two_servers_never_begin_the_same_job(site: Site) -> None:
    queue = Queue(site.store)
    for _ in range(40):
        queue.add("claim", "t", ("claim", "vote"))
    begun: list[int] = []

    def take() -> None:
        while (job := Queue(site.store).begin_next()) is not None:
            begun.append(job.id)

    threads = [threading.Thread(target=take) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(begun) == list(range(1, 41))


def test_a_list_of_many_is_paged(site: Site, client: TestClient) -> None:
    queue = Queue(site.store)
    for number in range(120):
        queue.add("claim", f"number {number}", ("claim", "vote"))
    seen: list[int] = []
    before = ""
    while True:
        record = client.get("/jobs.json", params={"before": before}).json()
        seen += [each["id"] for each in record["found"]]
        if record["older"] is None:
            break
        before = str(record["older"])
    assert seen == list(range(120, 0, -1))


def test_a_queue_that_is_asked_for_what_it_lacks_says_so(site: Site) -> None:
    Queue(site.store).add("claim", "t", ("claim", "vote"))
    with pytest.raises(PageError, match="none of that number"):
        Queue(site.store).get(99)
