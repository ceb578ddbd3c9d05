"""Machines that do not let us isolate: a clear refusal with instructions, and ``mini`` goes on alone."""

import re
import shutil
import subprocess
import sys

import pytest

from calculemus.engine.sandbox import Sandbox
from calculemus.errors import SandboxError, SandboxUnavailableError

ON_STD = "class A:\n    pass\n"


@pytest.fixture
def helpless(monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    """A sandbox whose jails cannot even start: there is another program where Python should be."""
    monkeypatch.setattr(sys, "executable", "/bin/false")
    return Sandbox(workers=1)


def test_a_program_that_needs_isolation_is_refused_with_instructions(helpless: Sandbox) -> None:
    with pytest.raises(SandboxUnavailableError) as refusal:
        helpless.run(ON_STD + "answer = 1")
    message = str(refusal.value)
    with pytest.raises(SandboxUnavailableError, match="^" + re.escape(message) + "$"):
        helpless.run(ON_STD + "answer = 1")
    parts = [
        "sandbox: starting the tier 'std'",
        "expected to be let into namespaces",
        "sysctl",
        "Docker",
        "'mini'",
    ]
    assert sorted(parts, key=message.index) == parts
    assert issubclass(SandboxUnavailableError, SandboxError)


def test_what_mini_says_stands_where_nothing_else_can_be_asked(helpless: Sandbox) -> None:
    assert helpless.run("answer = 2**70").value == 2**70
    failed = helpless.run("answer = 1 / 0")
    assert (failed.error_kind, failed.tried) == ("ZeroDivisionError", ("mini",))
    with helpless.session() as session:
        assert session.run("x = 1").ok
        assert session.run("x / 0").tried == ("mini",)
        assert session.run("x").value == 1
        with pytest.raises(SandboxUnavailableError):
            session.run(ON_STD)


def test_each_tier_can_be_asked_whether_it_works(helpless: Sandbox) -> None:
    assert helpless.problem("mini") is None
    assert "expected to be let into namespaces" in str(helpless.problem("std"))


def test_another_system_than_linux_is_told_what_runs_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    with Sandbox(workers=1) as sandbox:
        assert re.search(r"this is 'darwin'; .*Linux 5\.12 or newer.*'mini'", str(sandbox.problem("std")))
        assert sandbox.run("answer = 2**70").value == 2**70


def in_user_namespace(before: str, program: str) -> str:
    """Run a program as root of its own user namespace, after a shell command; return what it prints."""
    unshare = shutil.which("unshare")
    if unshare is None:
        pytest.skip("unshare, of util-linux, is not installed")
    command = f'{before}\nexec "$0" -c "$1"'
    run = [unshare, "--user", "--map-root-user", "sh", "-c", command, sys.executable, program]
    done = subprocess.run(run, capture_output=True, text=True, timeout=60)
    if "unshare failed" in done.stderr or "write failed" in done.stderr:
        pytest.skip(f"no user namespaces here: {done.stderr.strip()}")
    return done.stdout + done.stderr


ASK = """
from calculemus.engine.sandbox import Sandbox
with Sandbox(tiers=('std',), workers=1) as sandbox:
    print(sandbox.problem('std'))
    if sandbox.problem('std') is None:
        print(sandbox.run('import os\\nanswer = [os.getuid(), os.getpid(), os.listdir("/")]').status)
"""


def test_the_root_of_a_container_without_other_users_is_isolated_like_anybody() -> None:
    assert in_user_namespace("true", ASK).split() == ["None", "ok"]


def test_a_machine_without_user_namespaces_is_told_how_to_get_them() -> None:
    told = in_user_namespace("echo 0 > /proc/sys/user/max_user_namespaces", ASK)
    assert "making namespaces" in told
    assert "max_user_namespaces=10000" in told
