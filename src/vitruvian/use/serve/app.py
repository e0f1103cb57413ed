"""The routes of the service."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.middleware.cors import CORSMiddleware
from pydantic_core import to_json as to_bytes
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

import vitruvian
from vitruvian.models import MOST_PASSES
from vitruvian.types import UserError
from vitruvian.use.serve import pages, schema
from vitruvian.use.serve.batching import ClosedError, QueueFullError
from vitruvian.use.serve.limits import count_boxes, parse_boxes
from vitruvian.use.serve.metrics import Metrics
from vitruvian.use.serve.photograph import Found, Kind, Wish, to_json
from vitruvian.use.serve.served import Served
from vitruvian.use.serve.settings import RefusedError, Settings
from vitruvian.use.serve.uploads import Budget, Upload, drain, receive

_BODIES = 256 << 20  # bytes of bodies in memory, of all requests together
_OPTIONS = ("model", "boxes", "passes", "flip", "maps")
_HUNG_UP = 499
_AGAIN = (429, 503)  # statuses that another try may cure

Handler = Callable[[Request], Awaitable[Response]]

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Service:
    """What the routes work with."""

    settings: Settings
    served: Mapping[str, Served]  # by name; the first is asked when a request names none
    metrics: Metrics
    bodies: Budget


@dataclass(frozen=True)
class Asked:
    """A request that can be answered."""

    served: Served
    wishes: list[Wish]
    kind: Kind


def create_app(
    settings: Settings,
    served: Sequence[Served],
    metrics: Metrics,
    stop: Callable[[], None] = lambda: None,
) -> ASGIApp:
    """The service as an ASGI application.

    Args:
        settings: see there.
        served: at least one.
        metrics: where requests are counted.
        stop: called when all is answered, after the batchers have been closed.
    """
    service = Service(settings, {one.name: one for one in served}, metrics, Budget(_BODIES))

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        for one in served:
            await asyncio.to_thread(one.batcher.close)
        stop()

    app = FastAPI(
        title="vitruvian", version=vitruvian.__version__, lifespan=lifespan, docs_url=None, redoc_url=None,
        description="2-D human poses in photographs.",
    )  # fmt: skip
    handlers = _add_predictions(app, service)
    _add_state(app, service)
    _add_pages(app)
    app.add_exception_handler(HTTPException, _http_problem)
    app.add_exception_handler(Exception, _broken)
    answers = _straight(app, handlers)
    if settings.origins:
        answers = CORSMiddleware(
            answers, allow_origins=list(settings.origins), allow_methods=["GET", "POST"]
        )
    return _counted(answers, metrics)


# ---- routes --------------------------------------------------------------------------------------


def _add_predictions(app: FastAPI, service: Service) -> dict[str, Handler]:
    """Describes what answers with poses, and returns it by its path."""
    problems: dict[int | str, dict[str, Any]] = {
        status: {"model": schema.Problem, "description": what}
        for status, what in {
            400: "the form is damaged", 404: "no such model", 408: "the request took too long to arrive",
            413: "too many bytes, pixels, boxes or photographs", 415: "another content type",
            422: "no photograph that can be read, or an option that is none",
            429: "too much waits already: send it again later", 503: "the service is stopping",
            504: "no answer in time",
        }.items()
    }  # fmt: skip

    async def predict(request: Request) -> Response:
        """The poses in one photograph: its bytes, or a form with one file."""
        return await _answered(service, request, None, _one)

    async def predict_batch(request: Request) -> Response:
        """The poses in several photographs: a form with files; one that cannot be read spoils no other."""
        return await _answered(service, request, service.settings.photos, _many)

    handlers: dict[str, Handler] = {"/predict": predict, "/predict/batch": predict_batch}
    for path, shape in (("/predict", schema.Prediction), ("/predict/batch", schema.Batch)):
        app.add_api_route(
            path, handlers[path], methods=["POST"], response_model=shape, responses=problems,
            response_description="the poses",
            openapi_extra=pages.request_body(many=shape is schema.Batch),
        )  # fmt: skip
    return handlers


def _add_state(app: FastAPI, service: Service) -> None:
    settings, served = service.settings, service.served

    @app.get("/models", response_model=schema.Models)
    async def models() -> Response:
        """What is served, and within which limits."""
        limits = {
            "bytes": settings.body, "pixels": settings.pixels, "boxes": settings.boxes,
            "photographs": settings.photos, "seconds": settings.timeout,
        }  # fmt: skip
        described = [one.describe() for one in served.values()]
        return _json({"version": vitruvian.__version__, "models": described, "limits": limits})

    @app.get("/health", response_model=schema.Health, responses={503: {"model": schema.Health}})
    async def health() -> Response:
        """Whether the service answers."""
        well = all(one.batcher.alive for one in served.values())
        waiting = sum(one.batcher.weight for one in served.values())
        state = {"status": "ok" if well else "broken", "models": list(served), "waiting": waiting}
        return _json(state, 200 if well else 503)

    @app.get("/metrics", response_class=Response)
    async def metrics() -> Response:
        """Requests, errors, latency and batches, as Prometheus reads them."""
        service.metrics.waiting([one.batcher.weight for one in served.values()])
        return Response(service.metrics.text(), media_type="text/plain; version=0.0.4")


def _add_pages(app: FastAPI) -> None:
    for path, make in pages.PAGES.items():
        body, headers = make()

        async def page(body: bytes = body, headers: dict[str, str] = headers) -> Response:
            return Response(body, headers=headers)

        app.add_api_route(path, page, include_in_schema=False)


# ---- a request -----------------------------------------------------------------------------------


async def _answered(
    service: Service,
    request: Request,
    most_files: int | None,
    ask: Callable[[Service, Upload, Mapping[str, str]], Awaitable[Any]],
) -> Response:
    """Receives a request, has it answered, and says in one line what is wrong with it."""
    seconds = service.settings.timeout
    with service.bodies.request() as take:
        try:
            try:
                async with asyncio.timeout(seconds):
                    upload = await receive(request, service.settings.body, most_files, take)
            except TimeoutError:
                raise RefusedError(
                    408, f"the request took longer than {seconds:g} s to arrive"
                ) from None
            return _json(await ask(service, upload, request.query_params))
        except ClientDisconnect:
            return Response(status_code=_HUNG_UP)
        except Exception as error:
            status, message = _why(error)
            if status == 500:
                _log.error("%s failed", request.url.path, exc_info=error)
            if status != 408:
                await drain(request, service.settings.body, seconds)
            return _problem(status, message, request)


async def _one(service: Service, upload: Upload, query: Mapping[str, str]) -> Any:
    if len(upload.files) != 1:
        raise RefusedError(422, f"{len(upload.files)} photographs: send one, or use /predict/batch")
    options = _options(query, upload.fields)
    boxes = parse_boxes(options["boxes"]) if "boxes" in options else None
    asked = _asked(service, upload, options, [boxes])
    (found,) = await _found(service, asked)
    if isinstance(found, BaseException):
        raise found
    return to_json(asked.served.name, asked.served.model.info, found)


async def _many(service: Service, upload: Upload, query: Mapping[str, str]) -> Any:
    if not upload.files:
        raise RefusedError(422, "no photographs: send a form with files")
    options = _options(query, upload.fields)
    boxes = parse_boxes(options["boxes"]) if "boxes" in options else [None] * len(upload.files)
    if not isinstance(boxes, list) or len(boxes) != len(upload.files):
        raise RefusedError(
            422, "boxes: send a list with rows of boxes, or null, for each photograph"
        )
    asked = _asked(service, upload, options, boxes)
    answers = []
    for found in await _found(service, asked):
        if isinstance(found, BaseException):
            status, message = _why(found)
            if status >= 500:
                raise found
            answers.append({"error": message})
        else:
            answers.append(to_json(asked.served.name, asked.served.model.info, found))
    return {"photographs": answers}


def _options(query: Mapping[str, str], fields: Mapping[str, str]) -> dict[str, str]:
    for name in (*query, *fields):
        if name not in _OPTIONS:
            raise RefusedError(422, f"no option {name[:80]!r}, only {', '.join(_OPTIONS)}")
        if name in query and name in fields:
            raise RefusedError(422, f"{name} is there twice: send it once")
    return {**query, **fields}


def _asked(service: Service, upload: Upload, options: Mapping[str, str], boxes: list[Any]) -> Asked:
    name = options.get("model", next(iter(service.served)))
    if name not in service.served:
        raise RefusedError(404, f"no model {name[:80]!r}, only {', '.join(service.served)}")
    served = service.served[name]
    passes = options.get("passes", str(served.model.info.predict.passes))
    if passes not in map(str, range(1, MOST_PASSES + 1)):
        raise RefusedError(422, f"passes is {passes[:80]!r}: send 1 to {MOST_PASSES}")
    kind = Kind(int(passes), _flag(options, "flip"), _flag(options, "maps"))
    if kind.flip and not served.flips:
        raise RefusedError(422, f"{name} has no graph for the flip test: export the model again")
    if kind.maps and served.maps is None:
        raise RefusedError(422, served.no_maps)
    counts = [count_boxes(of, service.settings.boxes) for of in boxes]
    if sum(counts) > service.settings.boxes:
        raise RefusedError(
            413, f"{sum(counts)} persons are more than {service.settings.boxes}: send fewer at once"
        )
    wishes = [Wish(data, of, rows) for (of, data), rows in zip(upload.files, boxes, strict=True)]
    return Asked(served, wishes, kind)


def _flag(options: Mapping[str, str], name: str) -> bool:
    value = options.get(name, "0").lower()
    if value not in ("0", "1", "false", "true"):
        raise RefusedError(422, f"{name} is {value[:80]!r}: send 0 or 1")
    return value in ("1", "true")


async def _found(service: Service, asked: Asked) -> list[Found | BaseException]:
    try:
        futures = asked.served.ask(asked.wishes, asked.kind)
    except QueueFullError:
        raise RefusedError(429, "too much waits already: send it again later") from None
    except ClosedError:
        raise RefusedError(503, "the service is stopping") from None
    seconds = service.settings.timeout
    try:
        async with asyncio.timeout(seconds):
            return await asyncio.gather(*map(asyncio.wrap_future, futures), return_exceptions=True)
    except TimeoutError:
        raise RefusedError(
            504, f"no answer within {seconds:g} s: send less at once, or later"
        ) from None


# ---- answers -------------------------------------------------------------------------------------


def _why(error: BaseException) -> tuple[int, str]:
    if isinstance(error, RefusedError):
        return error.status, str(error)
    if isinstance(error, UserError):
        return 422, str(error)
    if isinstance(error, MemoryError):
        return 503, "there is no memory left: send it again later"
    return 500, "the service failed; its log says how"


def _json(values: Any, status: int = 200) -> Response:
    return Response(to_bytes(values, inf_nan_mode="null"), status, media_type="application/json")


def _problem(status: int, message: str, request: Request) -> Response:
    response = _json({"error": message}, status)
    if status in _AGAIN:
        response.headers["retry-after"] = "1"
    if not request.scope.get("vitruvian.read"):  # what is left of the body would be a next request
        response.headers["connection"] = "close"
    return response


async def _http_problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    what = {404: "there is nothing at this address", 405: "this address takes another method"}
    response = _json({"error": what.get(error.status_code, error.detail)}, error.status_code)
    response.headers.update(error.headers or {})
    return response


async def _broken(request: Request, error: Exception) -> Response:
    return _json({"error": _why(error)[1]}, 500)


def _straight(app: ASGIApp, handlers: Mapping[str, Handler]) -> ASGIApp:
    """Leads a POST to its handler without the layers of FastAPI, which parse what these read themselves.

    They cost a tenth of the time that a small net takes.
    """

    async def straight(scope: Scope, receive: Receive, send: Send) -> None:
        handler = handlers.get(scope.get("path", "")) if scope.get("method") == "POST" else None
        if handler is None:
            return await app(scope, receive, send)
        response = await handler(Request(scope, receive, send))
        await response(scope, receive, send)

    return straight


def _counted(app: ASGIApp, metrics: Metrics) -> ASGIApp:
    """Counts answers and their times."""

    async def counted(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await app(scope, receive, send)
        began, status = time.perf_counter(), 500

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await app(scope, receive, noted)
        finally:
            metrics.request(scope["path"], status, time.perf_counter() - began)

    return counted
