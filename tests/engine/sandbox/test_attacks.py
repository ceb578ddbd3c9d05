"""Programs that attack: none gets out, none stays, none touches another run."""

import ast
import os
import platform
import socket
import tempfile
import threading
import time
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from calculemus.engine.sandbox import Limits, Run, Sandbox, Tier
from calculemus.engine.sandbox.handing import keep_last
from calculemus.engine.sandbox.look import Plan
from calculemus.engine.sandbox.mini import Mini
from calculemus.engine.sandbox.outcome import conclude

HERE = Path(__file__).parent
# Numbers of system calls, on x86-64 and on arm64.
NUMBERS = {
    "open_by_handle_at": (304, 265), "socket": (41, 198), "io_uring_setup": (425, 425), "clone": (56, 220),
    "clone3": (435, 435), "rt_sigqueueinfo": (129, 138), "process_vm_writev": (311, 271), "bpf": (321, 280),
    "perf_event_open": (298, 241), "userfaultfd": (323, 282), "keyctl": (250, 219), "add_key": (248, 217),
    "init_module": (175, 105), "kexec_load": (246, 104), "reboot": (169, 142),
}  # fmt: skip
CALLS = {name: pair[platform.machine() == "aarch64"] for name, pair in NUMBERS.items()}
SECRET = "the-secret-of-this-test"
TIGHT = Limits(
    cpu_seconds=0.4,
    wall_seconds=0.8,
    memory_bytes=64 << 20,
    sci_memory_bytes=64 << 20,
    output_bytes=4096,
    value_bytes=65536,
)
GRACE = 10  # seconds: what a loaded machine may take; a run that is never stopped takes longer
GOOD = "import fractions\ndef solution():\n    return fractions.Fraction(3, 7) + 2**70"


def read_attacks(name: str) -> dict[str, str]:
    """Return the programs of a file by name."""
    sections = tomllib.loads((HERE / name).read_text("utf-8"))
    return {f"{section}-{title}": text for section in sections for title, text in sections[section].items()}


ATTACKS = read_attacks("attacks.toml")
ABUSES = read_attacks("abuses.toml")
RAIDS = {f"raid-{name}": text for name, text in read_attacks("raids.toml").items()}
EVERYTHING = ATTACKS | ABUSES | RAIDS


@dataclass
class World:
    """What lies outside and could be hurt.

    Attributes:
        inputs: What the programs are told about it.
        folder: A folder that anybody may write to.
        visits: Connections and packets that came.
    """

    inputs: dict[str, Any]
    folder: Path
    visits: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with tempfile.TemporaryDirectory() as name:  # not pytest's own, which only its user may enter
        yield from _make_world(Path(name))


def _make_world(folder: Path) -> Iterator[World]:
    secret = folder / "secret.txt"
    secret.write_text(SECRET)
    folder.chmod(0o777)
    abstract = f"calculemus-{os.getpid()}"
    server, unix = socket.create_server(("127.0.0.1", 0)), socket.socket(socket.AF_UNIX)
    unix.bind(f"\0{abstract}")
    unix.listen()
    port = server.getsockname()[1]
    made = World(
        {"secret": str(secret), "folder": str(folder), "port": port, "abstract": abstract, "call": CALLS},
        folder,
    )
    for listener in (server, unix):
        threading.Thread(target=_note_visits, args=(listener, made.visits), daemon=True).start()
    yield made
    for listener in (server, unix):
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def _note_visits(listener: socket.socket, visits: list[str]) -> None:
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        visits.append("a visit")
        connection.close()


def assert_it_failed(run: Run, world: World) -> None:
    shown = f"{run.value!r} {run.stdout} {run.error}"
    assert "ESCAPED" not in f"{run.value!r} {run.stdout}", run
    assert SECRET not in shown, run
    assert world.visits == []
    assert sorted(path.name for path in world.folder.iterdir()) == ["secret.txt"]
    assert (world.folder / "secret.txt").read_text() == SECRET


def attack(
    sandbox: Sandbox, tier: Tier, program: str, world: World, descendants: Callable[[int], set[int]]
) -> None:
    """Run an attack beside a good program, and look at what is left."""
    parent = sandbox._machinery.jails[tier].start()
    before = descendants(parent._process.pid)
    good: list[Run] = []
    beside = threading.Thread(target=lambda: good.append(sandbox.run(GOOD, tier)))
    beside.start()
    started = time.perf_counter()
    run = sandbox.run(program, tier, TIGHT, inputs=world.inputs)
    seconds = time.perf_counter() - started
    beside.join()
    assert_it_failed(run, world)
    assert seconds < TIGHT.wall_seconds + GRACE
    assert (good[0].status, good[0].value) == ("ok", sandbox.run(GOOD, tier).value)
    assert sandbox.run("def solution():\n    return 6 * 7", tier).value == 42
    assert sandbox._machinery.jails[tier].start() is parent
    assert descendants(parent._process.pid) == before


def test_there_are_enough_attacks_and_none_is_there_twice() -> None:
    assert len(EVERYTHING) == len(ATTACKS) + len(ABUSES) + len(RAIDS) >= 200
    assert len(set(EVERYTHING.values())) == len(EVERYTHING)


@pytest.mark.parametrize("name", EVERYTHING)
def test_on_std_no_attack_gets_out_or_stays(
    sandbox: Sandbox, world: World, descendants: Callable[[int], set[int]], name: str
) -> None:
    attack(sandbox, "std", EVERYTHING[name], world, descendants)


@pytest.mark.slow
@pytest.mark.parametrize("name", EVERYTHING)
def test_on_sci_no_attack_gets_out_or_stays(
    sandbox: Sandbox, world: World, descendants: Callable[[int], set[int]], name: str
) -> None:
    attack(sandbox, "sci", EVERYTHING[name], world, descendants)


def on_mini(mini: Mini, program: str, inputs: dict[str, Any]) -> Run:
    """Run a program on mini as it is: the look beforehand would keep most attacks away."""
    text = keep_last(program, ast.parse(program))
    plan = Plan(program, "mini", None, "solution", text, False, (), ("answer", "result"), False, False)
    return conclude(mini.run(plan, inputs, TIGHT, 0), plan, ("mini",))


@pytest.fixture(scope="module")
def mini() -> Iterator[Mini]:
    made = Mini(1)
    yield made
    made.close()


@pytest.mark.parametrize("name", EVERYTHING)
def test_on_mini_no_attack_gets_out_or_stays(mini: Mini, world: World, name: str) -> None:
    started = time.perf_counter()
    run = on_mini(mini, EVERYTHING[name], world.inputs)
    assert_it_failed(run, world)
    assert time.perf_counter() - started < TIGHT.cpu_seconds + GRACE
    assert on_mini(mini, "answer = 6 * 7", {}).value == 42


def test_a_program_finds_nothing_but_libraries(sandbox: Sandbox) -> None:
    look = """
import os
def solution():
    return sorted(os.path.join(folder, name) for folder, _, names in os.walk('/') for name in names)
"""
    seen = sandbox.run(look, "std", Limits(value_bytes=8 << 20)).value
    libraries = (os.path.dirname(os.__file__), "/usr/share/zoneinfo", "/usr/lib/zoneinfo", "/etc/zoneinfo")
    assert seen
    assert [path for path in seen if not path.startswith(libraries)] == []
    assert [path for path in seen if "-packages/" in path] == []
    assert all(Path(path).exists() or Path(path).is_symlink() for path in seen[:100])


def test_a_program_finds_no_descriptor_but_one_and_no_environment(sandbox: Sandbox) -> None:
    look = """
import os
def solution():
    found = []
    for descriptor in range(256):
        try:
            os.fstat(descriptor)
        except OSError:
            continue
        found.append(descriptor)
    return found, sorted(os.environ), os.getpid(), os.getuid() == 0
"""
    descriptors, names, process, is_root = sandbox.run(look, "std").value
    assert descriptors == [3]
    threads = {f"{library}_NUM_THREADS" for library in ("OMP", "OPENBLAS", "MKL")}
    assert set(names) <= {"LC_ALL", "PYTHONHASHSEED", "TZ"} | threads
    assert (process, is_root) == (1, False)


def test_a_program_finds_no_trace_of_the_run_before(sandbox: Sandbox) -> None:
    leave = (
        "import sys, math\nmath.pi = 3\nsys.modules['left'] = 'behind'\nfamous_words = 'trace'\nanswer = 1"
    )
    look = """
import gc, math, sys
def solution():
    texts = [value for value in gc.get_objects() if isinstance(value, dict) and 'famous_words' in value]
    return math.pi, 'left' in sys.modules, len(texts)
"""
    assert sandbox.run(leave, "std").value == 1
    found = sandbox.run(look.replace("famous", "fam' + 'ous"), "std").value
    assert found[1:] == (False, 0)
    assert found[0] > 3.1
