"""The one place that builds everything: start → serve → drain → stop."""

import asyncio
import signal
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

from bot.addresses import address_doubts
from bot.ari import AriClient
from bot.call.controller import Controller
from bot.call.house import House
from bot.collector import Collector
from bot.config.load import Loaded
from bot.config.profile import uses
from bot.config.settings import Calls, Settings
from bot.errors import AriError, ModelError
from bot.log import get_logger
from bot.media.pacer import Pacer
from bot.media.rtp import PortPool
from bot.preflight import check_asterisk
from bot.provider import listens, model_endpoint, try_model
from bot.realtime.client import Endpoint
from bot.realtime.warm import WarmSessions
from bot.records.ledger import Ledger
from bot.records.mailbox import Mailbox
from bot.records.recording import Recorders
from bot.records.store import CallStore
from bot.tools.registry import open_registry
from bot.web.api import Api
from bot.web.metrics import Metrics
from bot.web.server import WebServer

log = get_logger("app")

ASTERISK_WITHIN_S = 10.0


class Signals:
    """SIGTERM drains, SIGINT stops; a second signal of either kind forces the way out."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.at_once = asyncio.Event()
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self._stop, False)
        loop.add_signal_handler(signal.SIGINT, self._stop, True)

    def _stop(self, at_once: bool) -> None:
        if at_once or self.asked.is_set():
            self.at_once.set()
        self.asked.set()


async def run(loaded: Loaded) -> None:
    """Serve calls until a signal. Raises VoicebotError for what cannot be mended by waiting."""
    signals = Signals()
    settings = loaded.settings
    log.info("provider", provider=loaded.provider, because=loaded.provider_reason)
    async with AsyncExitStack() as stack:
        store = CallStore(settings.records.database)
        await store.open()
        stack.push_async_callback(store.close)
        recorders = None
        if settings.records.recordings:
            recorders = Recorders(settings.records.recordings)
            stack.callback(recorders.close)
        where = await stack.enter_async_context(model_endpoint(loaded))
        await _greet_model(where, settings)
        await _serve(loaded, where, store, recorders, signals, stack)
    log.info("stopped")


async def _greet_model(where: Endpoint, settings: Settings) -> None:
    """A key that is refused is better heard of now than by the first caller."""
    try:
        await try_model(where, settings.openai)
        log.info("model_ready", model=where.model)
    except ModelError as error:
        if not error.retry:
            raise
        log.warning("model_unreachable", error=str(error))


async def _serve(
    loaded: Loaded,
    where: Endpoint,
    store: CallStore,
    recorders: Recorders | None,
    signals: Signals,
    stack: AsyncExitStack,
) -> None:
    settings = loaded.settings
    metrics = Metrics()
    pacer = Pacer()
    first, last = map(int, settings.media.rtp.ports.split("-"))
    ports = PortPool(first, last)
    collector = Collector()
    controller = Controller(Ledger(store, metrics), collector.call_ended)
    ari = AriClient(
        settings.asterisk.url,
        settings.asterisk.username,
        settings.asterisk.password.get_secret_value(),
        settings.asterisk.app,
        on_event=controller.on_event,
        on_state=controller.on_state,
    )
    warm = WarmSessions(where.url, where.headers, where.connect_timeout, settings.openai.warm_sessions)
    registry = await stack.enter_async_context(open_registry(settings))
    message = settings.message
    mailbox = Mailbox(message.folder, message.webhook, store)
    if uses(settings, "take_message"):
        mailbox.make_folder()
    await stack.enter_async_context(mailbox.opened())
    house = House(settings, ari, where, warm, registry, pacer, ports, recorders, mailbox)
    _watch(metrics, controller, house, collector)
    api = Api(settings, controller, store, house.registry) if settings.web.api_token else None
    embedded = where if loaded.provider == "offline" else None
    not_ready = _readiness(controller, ari, embedded)
    web = WebServer(settings.web.bind, settings.web.port, metrics, not_ready, api)
    await web.start()
    stack.push_async_callback(web.close)
    await stack.enter_async_context(ari)
    pacer.start()
    stack.callback(pacer.stop)
    async with asyncio.TaskGroup() as group:
        serving = group.create_task(controller.run(house))
        listening = group.create_task(ari.run())
        warming = group.create_task(warm.run())
        await _greet_asterisk(ari, settings)
        collector.start()
        stack.callback(collector.stop)
        log.info("ready", app=settings.asterisk.app, web_port=web.port)
        await signals.asked.wait()
        log.info("draining", calls=len(controller.calls))
        await _drain(controller, signals, settings.calls)
        listening.cancel()  # first: a caller who comes now is the dialplan's
        await asyncio.wait([listening])
        warming.cancel()
        serving.cancel()


async def _greet_asterisk(ari: AriClient, settings: Settings) -> None:
    """An Asterisk that is away may come back; one that lacks what calls need is named."""
    for doubt in await asyncio.to_thread(address_doubts, settings.asterisk.url, settings.media.rtp):
        log.warning("address_doubtful", doubt=doubt)
    try:
        await ari.wait_connected(ASTERISK_WITHIN_S)
        for finding in await check_asterisk(ari, settings):
            log.error("asterisk_unfit", finding=finding)
    except AriError as error:
        if not error.retry:
            return  # ``run`` of the client raises the same, and ends the service
        log.warning("asterisk_away", error=str(error))


async def _drain(controller: Controller, signals: Signals, calls: Calls) -> None:
    drained = asyncio.create_task(controller.drain(calls.drain_timeout, calls.last_word))
    forced = asyncio.create_task(signals.at_once.wait())
    await asyncio.wait([drained, forced], return_when=asyncio.FIRST_COMPLETED)
    for task in (drained, forced):
        task.cancel()
    await asyncio.wait([drained, forced])


def _readiness(
    controller: Controller, ari: AriClient, embedded: Endpoint | None
) -> Callable[[], Awaitable[str]]:
    """Why no call can be taken. An ``embedded`` model is looked for, a service elsewhere is not."""

    async def not_ready() -> str:
        if controller.draining:
            return "draining"
        if not ari.connected:
            return "no connection to Asterisk"
        if embedded is not None and not await listens(embedded):
            return "the embedded model does not answer"
        return ""

    return not_ready


def _watch(metrics: Metrics, controller: Controller, house: House, collector: Collector) -> None:
    metrics.watch("voicebot_calls_active", "Calls in progress.", lambda: len(controller.calls))
    metrics.watch("voicebot_tasks", "Tasks of the event loop.", lambda: len(asyncio.all_tasks()))
    metrics.watch("voicebot_rtp_ports_free", "Local RTP ports not in use.", lambda: house.ports.free)
    metrics.watch("voicebot_warm_sessions", "Model sessions that wait for a call.", lambda: house.warm.ready)
    metrics.watch("voicebot_ari_connected", "1 while Asterisk's events arrive.", lambda: house.ari.connected)
    metrics.watch(
        "voicebot_pacer_late_ms",
        "Worst lateness of the 20 ms clock since the last look.",
        house.pacer.take_late_ms,
    )
    metrics.watch(
        "voicebot_gc_pause_ms",
        "Longest pause of Python's garbage collector since the last look.",
        collector.take_pause_ms,
    )
