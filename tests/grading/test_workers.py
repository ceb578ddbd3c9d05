"""Workers: results come back, what hangs or dies is killed, and nothing is left behind."""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from calculemus.errors import WorkerFailedError, WorkerTimeoutError
from calculemus.grading import workers
from calculemus.grading.workers import Pool, call

HANGS_IN_C = ("operator:pow", 7, 10**9)  # one big-integer power: no bytecode boundary for a signal


@pytest.fixture
def pool() -> Iterator[Pool]:
    pool = Pool(1)
    yield pool
    pool.close()


def has_ended(pid: int) -> bool:
    status = Path(f"/proc/{pid}/stat")
    if Path("/proc/self/stat").exists():
        # A zombie has ended; whether anybody collects it is the affair of process 1.
        return not status.exists() or status.read_text().rpartition(")")[2].split()[0] == "Z"
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def ends_soon(*pids: int) -> bool:
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        if all(has_ended(pid) for pid in pids):
            return True
        time.sleep(0.01)
    return False


def run_script(script: str, **options: object) -> "subprocess.Popen[str]":
    header = "import os, sys, time\nfrom calculemus.grading.workers import call, warm\n"
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", header + script],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,  # pyright: ignore[reportArgumentType, reportCallIssue]  # passed on as given
    )


def test_a_call_returns_what_the_function_returns() -> None:
    assert call("math:factorial", 30) == 265252859812191058636308480000000
    assert call("fractions:Fraction", "3/6").denominator == 2


def test_a_call_runs_in_another_process() -> None:
    assert call("os:getpid") != os.getpid()


def test_an_exception_is_reported_with_type_and_message() -> None:
    with pytest.raises(WorkerFailedError) as failure:
        call("builtins:int", "seven")
    assert failure.value.cause == "ValueError: invalid literal for int() with base 10: 'seven'"


@pytest.mark.parametrize("function", ["no_such_module:f", "math:no_such_function", "sys:exit"])
def test_whatever_a_call_raises_is_a_failure_and_the_next_call_works(function: str) -> None:
    with pytest.raises(WorkerFailedError):
        call(function)
    assert call("operator:add", 1, 2) == 3


def test_an_exception_whose_message_cannot_be_printed_is_reported() -> None:
    with pytest.raises(WorkerFailedError, match="ValueError"):
        call("builtins:str", 10**5000)


def test_a_result_that_cannot_be_pickled_is_a_failure() -> None:
    with pytest.raises(WorkerFailedError, match="pickle"):
        call("threading:Lock")


def test_a_call_that_hangs_in_c_code_is_killed_at_its_limit(pool: Pool) -> None:
    pid = pool.call("os:getpid", seconds=5)
    start = time.monotonic()
    with pytest.raises(WorkerTimeoutError, match=r"0\.2 s"):
        pool.call(*HANGS_IN_C, seconds=0.2)
    assert time.monotonic() - start < 1
    assert ends_soon(pid)
    assert pool.call("operator:add", 1, 2, seconds=5) == 3


def test_a_call_that_takes_too_much_memory_fails_and_its_worker_is_replaced(pool: Pool) -> None:
    pid = pool.call("os:getpid", seconds=5)
    with pytest.raises(WorkerFailedError, match="MemoryError"):
        pool.call("operator:mul", [0], 10**9, seconds=5)
    assert ends_soon(pid)
    assert pool.call("os:getpid", seconds=5) != pid


def test_a_worker_that_dies_in_a_call_is_a_failure_and_is_replaced() -> None:
    with pytest.raises(WorkerFailedError, match="the worker died"):
        call("os:_exit", 3)
    assert call("operator:add", 1, 2) == 3


def test_an_idle_worker_that_was_killed_is_replaced_unnoticed(pool: Pool) -> None:
    pid = pool.call("os:getpid", seconds=5)
    os.kill(pid, signal.SIGKILL)
    assert ends_soon(pid)
    assert pool.call("operator:add", 1, 2, seconds=5) == 3


def test_a_forking_parent_that_was_killed_is_replaced_unnoticed(pool: Pool) -> None:
    nursery, pid = pool.call("os:getppid", seconds=5), pool.call("os:getpid", seconds=5)
    os.kill(nursery, signal.SIGKILL)
    assert ends_soon(nursery, pid)
    assert pool.call("os:getppid", seconds=5) != nursery


def test_a_worker_is_replaced_after_its_share_of_calls(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "CALLS_PER_WORKER", 3)
    pids = [pool.call("os:getpid", seconds=5) for _ in range(7)]
    assert [len(set(pids[:3])), len(set(pids[3:6])), len(set(pids))] == [1, 1, 3]
    assert ends_soon(*set(pids[:6]))


def test_many_threads_get_each_their_own_results() -> None:
    numbers = range(400)
    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(lambda n: call("operator:mul", n, n), numbers)) == [n * n for n in numbers]


def test_waiting_for_a_free_worker_does_not_count_against_the_limit(pool: Pool) -> None:
    pool.call("operator:add", 1, 2, seconds=5)
    slow = threading.Thread(target=pool.call, args=("time:sleep", 0.5), kwargs={"seconds": 5})
    slow.start()
    time.sleep(0.1)
    assert pool.call("operator:add", 1, 2, seconds=0.2) == 3
    slow.join()


def test_warming_up_does_not_wait(pool: Pool) -> None:
    start = time.monotonic()
    pool.warm()
    assert time.monotonic() - start < 0.1
    pool.warm(wait=True)
    assert pool.call("operator:add", 1, 2, seconds=0.3) == 3


def test_the_first_call_waits_for_the_boot_outside_its_limit(pool: Pool) -> None:
    assert pool.call("operator:add", 1, 2, seconds=0.3) == 3


def test_an_interpreter_that_does_not_start_is_named(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", shutil.which("false"))
    with pytest.raises(WorkerFailedError, match=r"starting the worker processes.*false"):
        pool.call("operator:add", 1, 2, seconds=5)


def test_a_trivial_call_takes_under_200_microseconds() -> None:
    def batch() -> float:
        start = time.perf_counter()
        for _ in range(50):
            call("operator:add", 1, 2)
        return (time.perf_counter() - start) / 50

    assert min(batch() for _ in range(30)) < 200e-6


@pytest.mark.parametrize("text", ["x" * 1_000_000, "\0", "\ud800", "π"])
def test_any_text_goes_there_and_back(text: str) -> None:
    assert call("builtins:str", text) == text


def test_hashes_of_text_are_the_same_in_all_workers(pool: Pool) -> None:
    assert call("builtins:hash", "x") == pool.call("builtins:hash", "x", seconds=5)


def test_a_closed_pool_leaves_no_process_and_starts_again(pool: Pool) -> None:
    pids = [pool.call("os:getpid", seconds=5), pool.call("os:getppid", seconds=5)]
    pool.close()
    assert ends_soon(*pids)
    assert pool.call("operator:add", 1, 2, seconds=5) == 3


def test_a_forked_process_gets_workers_of_its_own() -> None:
    script = """
before = call("os:getppid")
child = os.fork()
mine = call("os:getppid")
print(mine == before if child else mine != before, flush=True)
if child:
    os._exit(os.waitpid(child, 0)[1])
"""
    process = run_script(script)
    out, err = process.communicate(timeout=30)
    assert (out.split(), err, process.returncode) == (["True", "True"], "", 0)


def test_nothing_is_left_when_a_caller_exits() -> None:
    process = run_script('print(call("os:getpid"), call("os:getppid"))')
    out, err = process.communicate(timeout=30)
    assert err == ""
    assert ends_soon(*map(int, out.split()))


def test_nothing_is_left_when_a_caller_is_killed_in_a_call() -> None:
    script = """
print(call("os:getpid"), call("os:getppid"), flush=True)
call("operator:pow", 7, 10**9, seconds=60)
"""
    process = run_script(script)
    assert process.stdout is not None
    pids = [int(word) for word in process.stdout.readline().split()]
    time.sleep(0.1)
    process.kill()
    process.communicate()
    assert len(pids) == 2
    assert ends_soon(*pids)


def test_a_deleted_working_directory_does_no_harm(tmp_path: Path) -> None:
    folder = tmp_path / "gone"
    folder.mkdir()
    script = f'os.rmdir("{folder}"); print(call("operator:add", 1, 2))'
    out, err = run_script(script, cwd=folder).communicate(timeout=30)
    assert (out, err) == ("3\n", "")
