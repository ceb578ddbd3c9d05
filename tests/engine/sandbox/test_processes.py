"""The processes of the sandbox: killed ones are replaced, none outlives its owner, and forks share none."""

import gc
import multiprocessing
import os
import signal
import subprocess
import sys
import time

import pytest

from calculemus.engine.sandbox import Sandbox, run
from calculemus.errors import SandboxError

ON_STD = "class A:\n    pass\n"  # what mini does not run


def test_a_killed_parent_is_replaced_and_the_run_repeated() -> None:
    with Sandbox(tiers=("std",), workers=1) as sandbox:
        assert sandbox.run(ON_STD + "answer = 1").value == 1
        parent = sandbox._machinery.jails["std"].start()
        os.kill(parent._process.pid, signal.SIGKILL)
        assert sandbox.run(ON_STD + "answer = 2").value == 2
        assert sandbox._machinery.jails["std"].start() is not parent


def test_a_parent_that_has_died_is_noticed_before_it_is_asked() -> None:
    with Sandbox(tiers=("std",), workers=1) as sandbox:
        parent = sandbox._machinery.jails["std"].start()
        parent._process.kill()
        parent._process.wait()
        assert sandbox._machinery.jails["std"].start() is not parent
        assert sandbox.run(ON_STD + "answer = 2").value == 2


def test_a_killed_worker_of_mini_is_replaced() -> None:
    with Sandbox(tiers=("mini",), workers=1) as sandbox:
        pool = sandbox._machinery.mini._started()
        with pool.checkout() as session:
            process = session.worker_pid
        assert process is not None
        os.kill(process, signal.SIGKILL)
        assert [sandbox.run("answer = 1").value for _ in range(3)] == [1, 1, 1]
        with sandbox.session() as block, pool.checkout() as session:
            process = session.worker_pid
        assert process is not None
        os.kill(process, signal.SIGKILL)
        assert block.run("answer = 1\nanswer").value == 1


def test_closing_ends_every_process_and_opening_again_works(descendants) -> None:
    before = descendants(os.getpid())
    sandbox = Sandbox(workers=1)
    sandbox.run("answer = 1")
    sandbox.run(ON_STD + "answer = 1")
    assert descendants(os.getpid()) - before
    sandbox.close()
    assert descendants(os.getpid()) - before == set()
    assert sandbox.run(ON_STD + "answer = 2").value == 2
    del sandbox
    gc.collect()
    assert descendants(os.getpid()) - before == set()


def test_processes_end_with_the_one_that_made_them_even_if_it_is_killed(descendants) -> None:
    script = (
        "import os, signal, sys\nfrom calculemus.engine.sandbox import Sandbox\n"
        "sandbox = Sandbox(workers=1)\nsandbox.run('answer = 1')\nsandbox.run('class A: pass')\n"
        "print('ready', flush=True)\nsandbox.run('class A: pass\\nwhile True: pass')\n"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        below = descendants(process.pid)
        assert len(below) >= 3
        process.kill()
    deadline = time.monotonic() + 30
    while (
        left := {each for each in below if os.path.exists(f"/proc/{each}")}
    ) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert left == set()


def _use_after_fork(sandbox: Sandbox, answers: "multiprocessing.Queue[str]") -> None:
    try:
        sandbox.run("answer = 1")
    except SandboxError as problem:
        answers.put(str(problem))
    answers.put(str(run("answer = 5").value))


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")  # newer Pythons warn of what is tried here
def test_a_forked_process_is_told_to_make_its_own_and_the_shared_one_is_made_anew(sandbox: Sandbox) -> None:
    context = multiprocessing.get_context("fork")
    answers = context.Queue()
    process = context.Process(target=_use_after_fork, args=(sandbox, answers))
    process.start()
    assert "is a fork of the one" in answers.get(timeout=20)
    assert answers.get(timeout=20) == "5"
    process.join()
    assert sandbox.run("answer = 2").value == 2


FORK = """
import gc, os
from calculemus.engine.sandbox import Sandbox, run
for number in range(4):
    sandbox = Sandbox(workers=2)
    print(sandbox.run("answer = 1").value, flush=True)
    child = os.fork()
    if child == 0:
        print(run("answer = 2").value, flush=True)
        del sandbox
        gc.collect()
        raise SystemExit
    os.waitpid(child, 0)
    sandbox.close()
    print(sandbox.run("answer = 3").value, flush=True)
"""


def test_a_fork_that_frees_its_copy_of_a_sandbox_leaves_the_workers_of_the_other_alone() -> None:
    command = [sys.executable, "-c", FORK]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout.split("\n")) == (0, [*"123" * 4, ""])
