"""``calculemus serve``: an OpenAI-compatible endpoint whose answers come from a solver."""

from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from calculemus.cli.listening import is_loopback, listen, shown_host
from calculemus.cli.live import NO_BUDGET_FLAGS, NO_MODEL_FLAGS, BudgetFlags, ModelFlags
from calculemus.cli.output import print_text
from calculemus.engine.opening import TINY
from calculemus.engine.scheduler import Scheduler
from calculemus.errors import InvalidParameterError, MissingExtraError
from calculemus.problem import Problem
from calculemus.solving import get_solver
from calculemus.study.systems import Live

_OWN_KEY = "CALCULEMUS_SERVE_KEY"


def serve(
    *,
    solver: str = "cot",
    model: str = TINY,
    host: str = "127.0.0.1",
    port: Annotated[int, Parameter(validator=Number(gte=0, lte=65535))] = 8001,
    serve_key: Annotated[str | None, Parameter(env_var=_OWN_KEY)] = None,
    models: ModelFlags = NO_MODEL_FLAGS,
    budget: BudgetFlags = NO_BUDGET_FLAGS,
) -> None:
    """Serve a method: any client of OpenAI uses it by changing its base URL.

    A conversation's question goes to the method; its own settings hold, whatever temperature a client sends.
    A client may lower the budget of an answer: by max_tokens, or by a field 'budget' with tokens, requests,
    seconds or flops. In a stream the steps come as reasoning_content before the answer.

    Args:
        solver: The method, with parameters if any: rebase:width=16.
        model: tiny (ships with the package), a model folder, a hub id, or http://HOST/v1#MODEL.
        host: Address to listen at. Beyond this machine a key is required.
        port: Port to listen at; 0 takes a free one.
        serve_key: What clients must send as their API key.
        models: How models are opened and asked.
        budget: What an answer may cost at most.
    """
    if not serve_key and not is_loopback(host):
        raise InvalidParameterError(
            f"serving at {host}: others can reach that address, and there is no key; expected one. Set "
            f"--serve-key or {_OWN_KEY}, or serve at 127.0.0.1"
        )
    try:
        import uvicorn

        from calculemus.serving.app import Service, make_app
        from calculemus.serving.desk import Desk
    except ImportError as error:
        raise MissingExtraError("serving a solver", error.name or "starlette", "serve") from error
    method = get_solver(solver)
    listening = listen(host, port, "serving")
    with listening, Live(None, models.options(), models.key, models.seed, tier=models.tier) as live:
        limits = budget.budget()
        scheduler = Scheduler(live.engine(model), live.sandbox(), seed=models.seed, budget=limits)
        scheduler.check(method, Problem("check", "How many are 2 and 2?", "unknown"))
        desk = Desk(method, scheduler)
        app = make_app(Service(desk, f"{solver}@{model}", limits, serve_key))
        address = f"http://{shown_host(host)}:{listening.getsockname()[1]}/v1"
        print_text(f"serving {solver}@{model} at {address}; Ctrl-C ends it")
        uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="off")).run([listening])
        desk.close()
