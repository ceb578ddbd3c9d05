"""One run: a process that gives up every right, runs what it is sent, and answers."""

import builtins
import gc
import io
import os
import resource
import signal
import sys
import types
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from calculemus.engine.sandbox.inside import kernel, policy, wire
from calculemus.engine.sandbox.inside.decode import decode
from calculemus.engine.sandbox.inside.encode import encode
from calculemus.engine.sandbox.inside.execute import Output, Report, execute
from calculemus.engine.sandbox.inside.seccomp import Filter
from calculemus.errors import NotDataError

_MOST_DESCRIPTORS = 64
_OWN_FRAMES = 15  # below the program, so that it has as many as a script has


def limit(resources: Mapping[str, Any], baseline: int) -> None:
    """Set what the kernel enforces by itself; ``baseline`` is the address space in use before the run."""
    space = baseline + resources["memory_bytes"]
    settings = {
        resource.RLIMIT_AS: space,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_MEMLOCK: 0,
        resource.RLIMIT_MSGQUEUE: 0,
        resource.RLIMIT_NOFILE: _MOST_DESCRIPTORS,
        resource.RLIMIT_NPROC: 0,
    }
    if resources["cpu_total"] is not None:
        settings[resource.RLIMIT_CPU] = resources["cpu_total"]
    for kind, value in settings.items():
        resource.setrlimit(kind, (value, value))


class Conversation:
    """The requests and replies of one run, over its one descriptor."""

    def __init__(self, descriptor: int, request: Mapping[str, Any]) -> None:
        self._descriptor = descriptor
        self._limits = request["limits"]
        self._output = self._fresh_output()
        self._names = self._fresh_names(request)

    def _fresh_output(self) -> Output:
        sys.stdin = io.StringIO("")
        sys.stderr = Output(self._limits["output_bytes"], lambda kept: None).text()
        output = Output(self._limits["output_bytes"], self._flooded)
        sys.stdout = output.text()
        return output

    def _fresh_names(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Make the program's module, under the name that scripts have."""
        module = types.ModuleType("__main__")
        sys.modules["__main__"] = module
        sys.argv = ["program.py"]
        for name in ("exit", "quit"):  # which ``site`` defines, and that is left out
            setattr(builtins, name, sys.exit)
        sys.setrecursionlimit(self._limits["recursion"] + _OWN_FRAMES)
        policy.seed(request["seed"])
        names = vars(module)
        names["__builtins__"] = builtins
        names.update(decode(request["inputs"]))
        return names

    def _flooded(self, kept: bytes) -> NoReturn:
        """End the run at the limit of its output: an exception could be caught by the program."""
        self._reply({"status": "output_limit", "error_kind": "output_limit"}, kept)
        os._exit(0)

    def _reply(self, report: Report, printed: bytes) -> None:
        report["stdout"] = printed.decode("utf-8", "replace")
        data = wire.frame(report)
        if len(data) > self._limits["value_bytes"] + 2 * self._limits["output_bytes"]:
            too_large = {"status": "output_limit", "error_kind": "value_too_large", "stdout": ""}
            data = wire.frame(too_large)
        wire.send(self._descriptor, data)

    def _host(self, name: str, replies: list[Any]) -> Callable[..., Any]:
        """Return a function that gives the next reply, and ends the run where there is none."""

        def ask(*args: Any, **kwargs: Any) -> Any:
            if replies:
                return replies.pop(0)
            try:
                report: Report = {"status": "suspended", "value": encode((name, args, kwargs))}
            except NotDataError as problem:
                error = f"{name}() is called with what is no data: {problem}"
                report = {"status": "raised", "error_kind": "bad_call", "error": error}
            # No exception, which the program could catch.
            self._reply(report, self._output.getvalue())
            os._exit(0)

        ask.__name__ = ask.__qualname__ = name
        return ask

    def answer(self, request: Mapping[str, Any]) -> None:
        """Run one request and reply."""
        replies = decode(request["replies"])
        self._names.update((name, self._host(name, replies)) for name in request["hosts"])
        report = execute(request, self._names)
        self._reply(report, self._output.getvalue())

    def go_on(self) -> None:
        """Answer further requests until there are no more; variables stay."""
        while (request := wire.receive(self._descriptor)) is not None:
            self._output = self._fresh_output()
            self.answer(request)


_OUT_OF_MEMORY = wire.frame({"status": "memory", "error_kind": "memory", "stdout": ""})


def live(descriptor: int, resources: Mapping[str, Any], baseline: int, filter_: Filter) -> NoReturn:
    """Be the process of one run, from the fork to its end."""
    os.setsid()
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    os.dup2(descriptor, 3)
    os.closerange(0, 3)
    os.closerange(4, os.sysconf("SC_OPEN_MAX"))
    limit(resources, baseline)
    kernel.drop_capabilities()
    filter_.install()
    gc.enable()
    try:
        request = wire.receive(3)
        if request is not None:
            conversation = Conversation(3, request)
            conversation.answer(request)
            conversation.go_on()
    except MemoryError:
        wire.send(3, _OUT_OF_MEMORY)
    finally:
        os._exit(0)
