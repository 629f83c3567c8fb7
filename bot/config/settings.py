"""What ``config.yaml`` may say, as frozen models: names, types, ranges and defaults, nothing else.

Values arrive already resolved (``load`` expands ``${NAME}`` and ``NAME_FILE``); what needs more than one
field, or a friendly word, is checked in ``check``.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

Port = Annotated[int, Field(ge=1, le=65535)]
Seconds = Annotated[float, Field(ge=0)]
Milliseconds = Annotated[int, Field(ge=0)]
ToolSeconds = Annotated[float, Field(ge=0.1, le=60)]
Key = Annotated[str, Field(pattern=r"^[0-9*#A-D]?$")]
LogLevel = Literal["DEBUG", "INFO", "WARNING", "ERROR"]


class Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


# ---------------------------------------------------------------------------- Asterisk and media


class Asterisk(Model):
    """How to reach ARI. ``app`` is the Stasis application; one name per process."""

    url: str = "http://127.0.0.1:8088"
    username: str = "voicebot"
    password: SecretStr = SecretStr("")
    app: str = Field(default="voicebot", pattern=r"^[A-Za-z0-9_.-]+$")


class Rtp(Model):
    """Our RTP sockets. ``external_host`` is the address that Asterisk sends to; ``source`` says whose
    packets are taken: ``announced``, the address Asterisk names for its end, or ``first``, whoever
    sends first (for NAT)."""

    bind: str = "127.0.0.1"
    external_host: str = "127.0.0.1"
    ports: str = Field(default="20000-21999", pattern=r"^\d+-\d+$")
    source: Literal["announced", "first"] = "announced"
    codec: Literal["ulaw", "alaw"] = "ulaw"
    reorder_ms: Milliseconds = 40


class Media(Model):
    rtp: Rtp = Rtp()


# ---------------------------------------------------------------------------- the model


class TurnDetection(Model):
    """Sent as it is; ``None`` leaves a field out."""

    type: Literal["server_vad", "semantic_vad"] = "server_vad"
    threshold: float | None = Field(default=None, ge=0, le=1)
    prefix_padding_ms: Milliseconds | None = None
    silence_duration_ms: Milliseconds | None = None
    eagerness: Literal["low", "medium", "high", "auto"] | None = None
    idle_timeout_ms: Annotated[int, Field(ge=5000, le=30000)] | None = None
    create_response: bool = True
    interrupt_response: bool = True


class Transcription(Model):
    model: str = "gpt-transcribe"
    language: str | None = None
    prompt: str | None = None
    keywords: tuple[str, ...] | None = None


class OpenAI(Model):
    """A Realtime service over WebSocket: OpenAI's, or one that speaks its events."""

    api_key: SecretStr = SecretStr("")
    base_url: str = "wss://api.openai.com/v1/realtime"
    dialect: Literal["ga", "beta"] = "ga"
    auth: Literal["bearer", "api-key"] = "bearer"
    headers: dict[str, SecretStr] = {}
    model: str = "gpt-realtime-2.1"
    voice: str = "marin"
    modalities: tuple[Literal["audio", "text"], ...] = ("audio", "text")
    audio_format: Literal["pcm16", "g711_ulaw", "g711_alaw"] = "pcm16"
    turn_detection: TurnDetection | None = TurnDetection(
        threshold=0.5, prefix_padding_ms=300, silence_duration_ms=500
    )
    transcription: Transcription | None = Transcription()
    noise_reduction: Literal["near_field", "far_field"] | None = None
    tools: tuple[str, ...] | None = None
    connect_timeout: Seconds = 10
    warm_sessions: Annotated[int, Field(ge=0, le=100)] = 0
    session: dict[str, Any] = {}


class Offline(Model):
    """The embedded model. ``url`` empty: the bot starts one of its own on a free loopback port."""

    url: str = ""
    persona: str = ""


# ---------------------------------------------------------------------------- hearing and turn taking


class Vad(Model):
    """The local voice detector behind gate and barge-in; docs/vad.md says what each setting does."""

    engine: Literal["webrtc", "silero"] = "webrtc"
    webrtc_aggressiveness: Annotated[int, Field(ge=0, le=3)] = 1
    enhanced_enabled: bool = True
    confidence_threshold: float = Field(default=0.6, ge=0, le=1)
    energy_threshold: float = Field(default=200, ge=0, le=32767)


class BargeIn(Model):
    """Interrupting the agent. Times count from the first speech frame. ``barge_in: off`` is short for
    ``enabled: false``."""

    enabled: bool = True
    suspect_ms: Milliseconds = 60
    commit_ms: Milliseconds = 600
    protect_greeting: bool = False

    @model_validator(mode="before")
    @classmethod
    def _switch(cls, given: Any) -> Any:
        word = str(given).lower()
        return {"enabled": word} if word in ("off", "on", "false", "true", "no", "yes") else given


class Echo(Model):
    canceller: bool = True


# ---------------------------------------------------------------------------- calls


class Match(Model):
    """Selects an agent: every field that is given must match (shell-style patterns)."""

    extension: str | None = None
    caller: str | None = None
    args: str | None = None


class Agent(Model):
    """One profile; what is left out comes from ``default``, then from ``openai:``."""

    match: Match | None = None
    instructions: str | None = None
    greeting: str | None = None
    greeting_audio: str | None = None
    voice: str | None = None
    language: str | None = None
    tools: tuple[str, ...] | None = None
    handoff: tuple[str, ...] | None = None
    description: str = ""
    turn_detection: TurnDetection | None = None
    barge_in: BargeIn | None = None
    operator_key: Key | None = None
    operator: str | None = None


#: What stopping takes beyond ``drain_timeout``: a word to those still talking, then hang-up and files; and
#: what lies between that and being killed.
LAST_WORD_S, RELEASE_S, SPARE_S = 20.0, 10.0, 10.0


class Calls(Model):
    """``stop_grace`` is how long whoever stops the service waits before it is killed: systemd, Docker."""

    max_calls: Annotated[int, Field(ge=1)] = 100
    max_call_seconds: Seconds = 3600
    warn_before_s: Seconds = 60
    ring_timeout: Seconds = 20
    drain_timeout: Seconds = 60
    stop_grace: Seconds = 100
    variables: tuple[str, ...] = ()
    operator_key: Key = ""
    operator: str = ""
    time_zone: str = "UTC"

    @property
    def last_word(self) -> float:
        """Seconds for a word to those who still talk after ``drain_timeout``: what the grace leaves."""
        return max(0.0, min(LAST_WORD_S, self.stop_grace - self.drain_timeout - RELEASE_S))


class Outbound(Model):
    """Whom ``POST /api/calls`` and ``voicebot call`` may call. ``allow``: shell-style patterns of endpoints
    such as ``PJSIP/2??``; empty: nobody is called. ``amd``: Asterisk tells a person from an answering
    machine."""

    allow: tuple[str, ...] = ()
    caller_id: str = ""
    ring_timeout: Annotated[int, Field(ge=1)] = 30
    max_calls: Annotated[int, Field(ge=1)] = 10
    per_minute: Annotated[int, Field(ge=1)] = 30
    amd: bool = False
    on_machine: Literal["hangup", "talk"] = "hangup"


class Idle(Model):
    """A silent caller is asked whether he is there, some times, and then let go."""

    prompt_after: Seconds = 15
    prompts: Annotated[int, Field(ge=0)] = 2


class Webhook(Model):
    """Whom to tell; ``url`` empty: nobody. ``headers`` are never logged."""

    url: str = ""
    headers: dict[str, SecretStr] = {}
    tries: Annotated[int, Field(ge=1, le=20)] = 6
    retry_s: Seconds = 5


class Messages(Model):
    """What ``take_message`` records, and who is told of it."""

    folder: str = "var/messages"
    silence_s: Annotated[float, Field(ge=1)] = 4
    max_s: Annotated[float, Field(ge=1, le=300)] = 120
    webhook: Webhook = Webhook()


class Card(Model):
    """Where ``pause_for_card`` takes the digits; ``url`` empty: there is no such tool. ``answer`` names the
    part of the JSON answer that the model is told."""

    url: str = ""
    headers: dict[str, SecretStr] = {}
    answer: str = ""


class Dtmf(Model):
    """The caller's keys, when no tool waits for them."""

    pause: Seconds = 2


#: The one context of the dialplan through which phones are dialled; its extensions are the names of the
#: destinations that have ``dial``, so that Asterisk refuses whatever else it may be asked for.
DIAL_CONTEXT = "voicebot-dial"
#: Where the dialplan repeats ``outbound.allow``.
OUT_CONTEXT = "voicebot-out"


class Destination(Model):
    """Whom a caller may be connected to: a place in the dialplan (``context`` and ``exten``), or a phone
    (``dial``), which ``DIAL_CONTEXT`` knows under the destination's name."""

    context: str | None = None
    exten: str | None = None
    priority: Annotated[int, Field(ge=1)] = 1
    dial: str | None = None
    ring_timeout: Annotated[int, Field(ge=1, le=300)] = 30
    description: str = ""

    def place(self, name: str) -> tuple[str, str, int]:
        """Context, extension and priority at which a caller goes on. The name is the destination's own."""
        if self.dial is not None:
            return DIAL_CONTEXT, name, 1
        assert self.context is not None
        assert self.exten is not None
        return self.context, self.exten, self.priority


class HttpTool(Model):
    """A function of the model that is one HTTP request. ``url`` and ``headers`` may hold secrets."""

    description: str
    parameters: dict[str, Any] = {}
    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"] = "GET"
    url: SecretStr
    headers: dict[str, SecretStr] = {}
    answer: str = ""
    say: str = ""
    timeout: ToolSeconds = 10
    max_response_bytes: Annotated[int, Field(ge=1)] = 262144
    allow_private: bool = False


class McpServer(Model):
    """A server of tools, reached at ``url`` (streamable HTTP) or started as ``command`` (stdio)."""

    url: SecretStr = SecretStr("")
    headers: dict[str, SecretStr] = {}
    command: str = ""
    args: tuple[str, ...] = ()
    env: dict[str, SecretStr] = {}
    tools: tuple[str, ...] | None = None
    timeout: ToolSeconds = 10


class Farewell(Model):
    """Phrases that mean the agent has said goodbye; heard without ``hangup_call``, they bring a warning, and
    with ``auto_hangup`` the end of the call."""

    phrases: tuple[str, ...] = ("goodbye", "good bye", "bye bye", "have a great day", "have a nice day")
    auto_hangup: bool = False
    grace_s: Seconds = 3
    tail_ms: Milliseconds = 400
    deadline: Seconds = 45


class Records(Model):
    """Where calls are written down; ``recordings`` empty: calls are not recorded."""

    database: str = "var/calls.sqlite"
    recordings: str = ""


class Web(Model):
    """``/healthz``, ``/readyz`` and ``/metrics``; with ``api_token`` also ``/api``, for whoever has it."""

    bind: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8089
    api_token: SecretStr = SecretStr("")


class Logging(Model):
    level: LogLevel = "INFO"
    format: Literal["console", "json"] = "console"
    providers: dict[str, LogLevel] = {}
    transcripts: bool = False


class Settings(Model):
    """The whole of ``config.yaml``."""

    provider_name: Literal["openai", "offline"] | None = None
    asterisk: Asterisk = Asterisk()
    media: Media = Media()
    openai: OpenAI = OpenAI()
    offline: Offline = Offline()
    vad: Vad = Vad()
    barge_in: BargeIn = BargeIn()
    echo: Echo = Echo()
    calls: Calls = Calls()
    outbound: Outbound = Outbound()
    dtmf: Dtmf = Dtmf()
    idle: Idle = Idle()
    message: Messages = Messages()
    card: Card = Card()
    agents: dict[str, Agent] = {}
    destinations: dict[str, Destination] = {}
    http_tools: dict[str, HttpTool] = {}
    mcp_servers: dict[str, McpServer] = {}
    farewell: Farewell = Farewell()
    records: Records = Records()
    web: Web = Web()
    logging: Logging = Logging()
    modalities: tuple[Literal["audio", "text"], ...] | None = None

    @property
    def phones(self) -> dict[str, Destination]:
        """The destinations that are dialled."""
        return {name: place for name, place in self.destinations.items() if place.dial is not None}
