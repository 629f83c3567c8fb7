"""``/healthz`` (the process lives), ``/readyz`` (it can take a call), ``/metrics``, and the live API."""

from collections.abc import Awaitable, Callable

from aiohttp import web

from bot.errors import ResourceError
from bot.web.api import Api
from bot.web.metrics import Metrics


class WebServer:
    """``not_ready`` returns why no call can be taken, or an empty string."""

    def __init__(
        self,
        bind: str,
        port: int,
        metrics: Metrics,
        not_ready: Callable[[], Awaitable[str]],
        api: Api | None = None,
    ) -> None:
        self.port = port
        self._bind = bind
        self._metrics = metrics
        self._not_ready = not_ready
        self._api = api
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        """Raises ResourceError when the port is taken; ``port`` 0 becomes the one that was found."""
        app = web.Application()
        app.router.add_get("/healthz", self._healthz)
        app.router.add_get("/readyz", self._readyz)
        app.router.add_get("/metrics", self._metrics_page)
        if self._api is not None:
            self._api.attach(app)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._bind, self.port)
        try:
            await site.start()
        except OSError as error:
            await self._runner.cleanup()
            raise ResourceError(
                f"cannot listen on {self._bind}:{self.port} ({error.strerror})",
                remedy="change web.port, or stop what holds it",
            ) from error
        self.port = self._runner.addresses[0][1]

    async def close(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def _healthz(self, request: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def _readyz(self, request: web.Request) -> web.Response:
        why = await self._not_ready()
        return web.Response(text=f"{why or 'ready'}\n", status=503 if why else 200)

    async def _metrics_page(self, request: web.Request) -> web.Response:
        return web.Response(
            body=self._metrics.as_text(), headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"}
        )
