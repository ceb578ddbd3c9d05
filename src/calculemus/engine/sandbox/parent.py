"""The outer end of the process that stays in jail and forks a child for every run."""

import importlib.util
import json
import socket
import subprocess
import sys
import threading
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from calculemus.engine.sandbox.look import SCI_PACKAGES
from calculemus.engine.sandbox.record import Tier
from calculemus.errors import SandboxBrokenError, SandboxUnavailableError

_BOOT_SECONDS = 120.0  # importing scipy takes a second; a loaded machine may take many
_END_SECONDS = 5.0
_LARGEST_MESSAGE = 1 << 16

_BOOT = """
import sys, types
descriptor, *folders = sys.argv[1:]
# The packages on the way are stood in for: their own code may need what is not installed here.
for name, folder in zip(("calculemus", "calculemus.engine", "calculemus.engine.sandbox"), folders):
    sys.modules[name] = types.ModuleType(name)
    sys.modules[name].__path__ = [folder]
from calculemus.engine.sandbox.inside.zygote import main
main(int(descriptor))
"""
# -S and -s: no packages but those named; -P: nothing from the current folder; no environment of the user's.
_COMMAND = ("-S", "-s", "-P", "-B", "-X", "utf8", "-c", _BOOT)
_ENVIRONMENT = {
    "PYTHONHASHSEED": "0",  # the order of sets is part of what a program computes
    "LC_ALL": "C",
    "TZ": "UTC",
    # One thread: a process with several cannot be forked, and runs get one core each.
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
}
_HELP = (
    "Programs of this tier run in Linux namespaces (Linux 5.12 or newer, x86-64 or arm64). Where these are "
    "switched off: sysctl kernel.unprivileged_userns_clone=1 user.max_user_namespaces=10000, on Ubuntu also "
    "kernel.apparmor_restrict_unprivileged_userns=0; in Docker: --security-opt apparmor=unconfined and "
    "--security-opt seccomp=unconfined or --cap-add SYS_ADMIN. Without, 'mini' still runs most programs."
)


@dataclass(frozen=True)
class _Packages:
    """Where packages are.

    Attributes:
        path: Folders to import from.
        visible: Folders and files that can be read.
    """

    path: tuple[str, ...]
    visible: tuple[str, ...]


def _find_packages(names: frozenset[str]) -> _Packages:
    """Find the packages that are installed, and the libraries that wheels put beside them."""
    path: dict[str, None] = {}
    visible: list[str] = []
    for name in sorted(names):
        spec = importlib.util.find_spec(name)
        if spec is None or spec.origin is None:
            continue
        origin = Path(spec.origin)
        own = origin.parent if spec.submodule_search_locations else origin
        path[str(own.parent)] = None
        visible += [str(each) for each in (own, own.parent / f"{name}.libs") if each.exists()]
    return _Packages(tuple(path), tuple(visible))


def _setup(tier: Tier) -> dict[str, Any]:
    """Return the first record that the parent process gets."""
    modules = tomllib.loads(Path(__file__).with_name("preload.toml").read_text(encoding="utf-8"))
    names = modules["std"].split()
    if tier == "std":
        return {"packages": (), "path": (), "preload": names}
    found = _find_packages(SCI_PACKAGES | {"tzdata"})
    installed = {Path(each).stem for each in found.visible}
    names += [name for name in modules["sci"].split() if name.partition(".")[0] in installed]
    return {"packages": found.visible, "path": found.path, "preload": names}


@dataclass(frozen=True, slots=True)
class Cell:
    """Our ends of the two sockets of one child: what it reads and writes, and what its parent holds it by."""

    data: socket.socket
    leash: socket.socket

    def close(self) -> None:
        """Let go of the child, which kills it."""
        self.data.close()
        self.leash.close()


class Parent:
    """A parent process in jail, from its start to its end.

    Raises:
        SandboxUnavailableError: This machine cannot isolate.
    """

    def __init__(self, tier: Tier) -> None:
        self._tier: Tier = tier
        self._lock = threading.Lock()
        if sys.platform != "linux":
            raise self._refusal(f"this is '{sys.platform}'")
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = self._spawn(theirs.fileno())
        self._greet()

    @property
    def is_alive(self) -> bool:
        """Whether the process has not ended; a killed one may do its work for a moment yet."""
        return self._process.poll() is None

    def _spawn(self, descriptor: int) -> subprocess.Popen[bytes]:
        here = Path(__file__).parent
        folders = [str(folder) for folder in (here.parents[1], here.parent, here)]
        return subprocess.Popen(
            [sys.executable, *_COMMAND, str(descriptor), *folders],
            env=_ENVIRONMENT,
            cwd="/",
            pass_fds=(descriptor,),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,  # an interrupt at the terminal is ours to handle
        )

    def _greet(self) -> None:
        """Say what to be, and wait until it is."""
        self._control.settimeout(_BOOT_SECONDS)
        try:
            self._control.send(json.dumps(_setup(self._tier)).encode())
            answer = json.loads(self._control.recv(_LARGEST_MESSAGE) or b"{}")
        except (OSError, ValueError):
            answer = {}
        if not answer.get("ready"):
            problem = answer.get("error") or self._last_words()
            self.close()
            raise self._refusal(problem)
        self._control.settimeout(None)

    def _refusal(self, problem: str) -> SandboxUnavailableError:
        return SandboxUnavailableError(
            f"sandbox: starting the tier '{self._tier}': {problem}; expected to be let into namespaces. "
            f"{_HELP}"
        )

    def _last_words(self) -> str:
        self._process.kill()
        _, printed = self._process.communicate()
        lines = printed.decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else "its parent process ended without a word"

    def fork(self, resources: dict[str, Any]) -> Cell:
        """Have a child forked, and return our ends of its sockets.

        Raises:
            SandboxBrokenError: There is no process to do it.
        """
        data, its_data = socket.socketpair()
        leash, its_leash = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        order = json.dumps(resources).encode()
        with its_data, its_leash:
            try:
                with self._lock:
                    socket.send_fds(self._control, [order], [its_data.fileno(), its_leash.fileno()])
            except OSError as problem:
                Cell(data, leash).close()
                raise SandboxBrokenError("sandbox: asking for a process: the parent has died") from problem
        return Cell(data, leash)

    def close(self) -> None:
        """End the process and everything in its jail."""
        self._control.close()
        try:
            self._process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stderr is not None:
            self._process.stderr.close()
