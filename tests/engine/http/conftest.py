"""A fake server, and an engine on it."""

import importlib.util
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from calculemus.engine.base import Done, Job
from calculemus.engine.http_engine import HttpEngine


def _load(name: str) -> ModuleType:
    """Import a helper that lies beside this file: test folders are no packages."""
    full = f"http_tests_{name}"
    if full not in sys.modules:
        spec = importlib.util.spec_from_file_location(full, Path(__file__).with_name(f"{name}.py"))
        assert spec is not None
        assert spec.loader is not None
        sys.modules[full] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[full])
    return sys.modules[full]


@pytest.fixture
def serve() -> Iterator[Callable[..., Any]]:
    """Start a fake server with these habits."""
    model, api, server = _load("fake_model"), _load("fake_api"), _load("fake_server")
    running = []

    def start(name: str = "fake", **habits: Any) -> Any:
        fake = server.FakeServer(api.FakeApi(model.FakeModel(name), api.Habits(**habits), model.template))
        thread = threading.Thread(target=fake.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        running.append((fake, thread))
        return fake

    yield start
    for fake, thread in running:
        fake.shutdown()
        fake.server_close()
        thread.join()


@pytest.fixture
def connect() -> Iterator[Callable[..., HttpEngine]]:
    """Make an engine that is closed at the end; it pauses only shortly between tries."""
    engines = []

    def make(server: Any, **settings: Any) -> HttpEngine:
        address = server if isinstance(server, str) else server.address
        engines.append(HttpEngine(address, **{"first_pause": 0.002, "timeout": 10.0, **settings}))
        return engines[-1]

    yield make
    for engine in engines:
        engine.close()


@pytest.fixture
def run() -> Callable[..., list[Done]]:
    """Run requests with seeds on an engine and return what came of each, in their order."""

    def run_all(engine: HttpEngine, *asked: tuple[Any, tuple[int, ...]]) -> list[Done]:
        engine.submit([Job(ticket, request, seeds) for ticket, (request, seeds) in enumerate(asked)])
        back: list[Done] = []
        while done := engine.wait():
            back += done
        assert sorted(done.ticket for done in back) == list(range(len(asked)))
        return sorted(back, key=lambda done: done.ticket)

    return run_all
