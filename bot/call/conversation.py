"""One call's talk: events of the model, the phone and the clock become inputs of the turn-taking table, and
its actions are carried out here. No sockets: everything outside comes in through ports.
"""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from bot.call.answering import Answering, Talk
from bot.call.downlink import Downlink
from bot.call.functions import Functions
from bot.call.idle import IdleClock, IdleParams
from bot.call.journal import Journal
from bot.call.keys import Keys, SendDigits
from bot.call.ports import Departure, Desk, Model, Taken
from bot.call.stopwatch import Stopwatch
from bot.call.tape import MessageParams
from bot.call.turns import AWAITING_DRAIN, INTERRUPTIBLE, LEAVING, Action, Input, State, Turns
from bot.call.uplink import Uplink
from bot.call.waits import Waits
from bot.config.settings import Farewell
from bot.log import get_logger
from bot.realtime import events
from bot.tools.registry import ToolRegistry

log = get_logger("call")

#: Nobody speaks faster than this. A response with less audio for its words was not generated in full, which
#: the model does now and then.
FASTEST_MS_PER_CHARACTER = 30
#: So long nobody has spoken when something is mentioned in between.
PAUSE_S = 1.0
#: What counts in seconds is looked at every so many ticks.
LEISURE_TICKS = 5
ASK_IDLE = "The caller has been silent for a while. Ask in one short sentence whether they are still there."
GOODBYE_IDLE = "The caller does not answer any more. Say goodbye in one short sentence."
#: Before it says that the time is up, the agent may finish its sentence for so long.
FINISH_WITHIN_S = 10.0
GOODBYE_WITHOUT_TOOL = "the agent said goodbye"
#: A response has begun, and more of it may come; of the states that a key interrupts.
BEING_MADE = frozenset({State.SPEAKING, State.TRAILING, State.SUSPECT})
#: A response is awaited and nothing of it has been heard.
WAITING = frozenset({State.PENDING, State.GREETING, State.CLOSING, State.ASKED})
#: One was asked for, and nothing else brings it: the gate stays closed meanwhile.
ASKING = frozenset({State.GREETING, State.CLOSING, State.ASKED})
GREETING_ITEM = "recorded greeting"
ALREADY_ACTIVE = "conversation_already_has_active_response"
openai_log = get_logger("openai")


@dataclass(frozen=True, slots=True)
class Script:
    """What the agent says of its own accord; the greeting may be empty."""

    instructions: str
    greeting: str
    farewell: Farewell
    interruptible: bool
    protect_greeting: bool
    idle: IdleParams
    message: MessageParams
    greeting_audio: bytes = b""  # it, recorded, in the phone's codec
    silence_ms: float | None = None  # that ends a turn of the caller's, if the server goes by it
    key_pause_s: float = 2.0  # keys further apart do not belong together


class Conversation:
    """It has the line from ``take_line`` on: ``tick`` it every 20 ms. ``on_end`` is told how the call is to
    be left; after an ``aside`` it may take the line again.

    ``clock`` is the one of ``tick``'s times; ``spawn`` starts a task that belongs to the call.
    """

    def __init__(
        self,
        script: Script,
        model: Model,
        uplink: Uplink,
        downlink: Downlink,
        registry: ToolRegistry,
        journal: Journal,
        desk: Desk,
        *,
        call_id: str,
        clock: Callable[[], float],
        spawn: Callable[[Coroutine[Any, Any, None]], object],
        send_packet: Callable[[bytes], None],
        send_digits: SendDigits,
        on_message: Callable[[Taken], None],
        on_end: Callable[[Departure], None],
    ) -> None:
        self.call_id = call_id
        self.journal = journal
        self.desk = desk
        self.turns = Turns()
        self._script = script
        self._model = model
        self._uplink = uplink
        self._downlink = downlink
        self._functions = Functions(self, model, registry, journal, clock)
        self._clock = clock
        self._spawn = spawn
        self._send_packet = send_packet
        self._on_end = on_end
        self._waits = Waits()
        self.keys = Keys(
            script.key_pause_s,
            self._waits,
            uplink,
            downlink.playout,
            clock=clock,
            state=lambda: self.turns.state,
            tell=self._tell,
            send=send_digits,
            guarded=registry.get("pause_for_card") is not None,
        )
        self.answering = Answering(
            script.message,
            Talk(model, uplink, downlink.playout, downlink.codec, clock, lambda: self.turns.state),
            self._waits,
            on_message,
        )
        self._idle = IdleClock(script.idle, clock())
        self._to_mention = ""
        self._goodbye_said = False  # without the tool, and what it said has stood since
        self._departure: Departure | None = None
        self._deadline = self._tail_over = self._leave_by = float("inf")
        self._response_id = ""  # the latest response
        self._dropped: set[str] = set()  # responses that the caller interrupted: nothing of them counts
        self._unanswered: set[str] = set()  # those of them that the server does not answer by itself
        self._asked: dict[str, Any] = {}  # what we asked for last, to ask again if it fails
        self._retried = False
        self._written: dict[str, int] = {}  # characters per item of the live response
        self._farewell_said = False
        self._hangup_called = False
        self._agent_audible = False
        self._agent_left = 0.0  # when the last packet with its voice did
        self._voiced_response = ""  # the latest with audio
        self._untranscribed = ""  # the caller's latest item, while its words are still to come
        self.caller_speaking = False
        self._sent_frame: bytes | None = None  # the agent's voice in the last packet, if any
        self._sent_early = False
        self._ticks = 0

    @property
    def stopwatch(self) -> Stopwatch:
        return self.journal.stopwatch

    # ------------------------------------------------------------------ the clock

    def take_line(self) -> None:
        """The line is this talk's from here on, with nothing left on it of another one."""
        self.turns = Turns()
        self._departure = None
        self._deadline = self._tail_over = self._leave_by = float("inf")
        self._agent_audible = self.caller_speaking = False
        self._sign_of_life()
        self.stopwatch.agent(self._script.silence_ms)
        self._uplink.private = False
        self._uplink.on_voice = self._give
        self._uplink.listen_over_agent(False)
        self._uplink.open_gate()
        self._downlink.cut()

    def start_media(self) -> None:
        """The way to the phone is open both ways: begin to listen, and greet."""
        now = self._clock()
        self._uplink.start(now)
        self.journal.note(now, "media")
        self.greet()

    def greet(self) -> None:
        """With the agent's own first words, if it has any."""
        if self._script.greeting_audio:
            self._play_greeting(self._clock())
        elif self._script.greeting:
            self.open(f'Greet the caller now by saying: "{self._script.greeting}"')

    def open(self, what: str) -> None:
        """The first words of a talk, which nobody may interrupt where they are protected."""
        if self._script.protect_greeting:
            self._give(Input.PROTECT)
        self.prompt(what)

    def _play_greeting(self, now: float) -> None:
        """From the recording, as if the model had said it; the model is told that it has."""
        self._give(Input.PROTECT if self._script.protect_greeting else Input.AUDIO)
        self._downlink.recorded(GREETING_ITEM, self._script.greeting_audio)
        self._give(Input.DONE)
        self._model.said(self._script.greeting)
        self.journal.said(now, "agent", GREETING_ITEM, self._script.greeting)

    def prompt(self, what: str = "", **response: Any) -> None:
        """Have the agent speak of its own accord, once no response is active: the greeting, the farewell."""
        if what:
            response["instructions"] = self._instructed(what)
        self._asked = response
        self._model.respond(response)

    def instruct(self, text: str) -> None:
        """An instruction from an operator, from now on."""
        self.journal.note(self._clock(), "instructed")
        self._model.instruct(text)

    def mute(self, muted: bool) -> None:
        """The caller hears silence; the agent does not know, and what it says counts as heard."""
        self.journal.note(self._clock(), "muted" if muted else "unmuted")
        self._downlink.muted = muted

    def remark(self, what: str) -> None:
        """Have the agent say something small, if nothing else is to be said now."""
        self._model.meanwhile({"instructions": self._instructed(what), "tool_choice": "none"})

    def _instructed(self, what: str) -> str:
        return f"{self._script.instructions}\n\n{what}"

    def tick(self, now: float) -> None:
        if not self._sent_early:
            self._send_frame()
        self._sent_early = False
        self._model.append(self._uplink.tick(now))
        audible = self._sent_frame is not None
        if audible != self._agent_audible:
            self._agent_turn(self._clock(), audible)
        if audible:
            self._agent_left = now
        if self._downlink.playout.idle and self.turns.state in AWAITING_DRAIN:
            self._give(Input.DRAINED)
        if self._leave_by < float("inf") and (self.turns.state is State.IDLE or now >= self._leave_by):
            self._leave_by = float("inf")
            self._give(Input.LEAVE)
        self._waits.check()
        if now >= self._tail_over:
            self._give(Input.TAIL_OVER)
        if now >= self._deadline:
            self._deadline = float("inf")
            log.warning("farewell_deadline")
            self._give(Input.DEADLINE)
        self._ticks += 1
        if self._ticks % LEISURE_TICKS == 0:
            self._at_leisure(now)

    def _at_leisure(self, now: float) -> None:
        """What counts in seconds."""
        self._functions.tick(now)
        self.keys.tick(now, agent_audible=self._agent_audible)
        self.answering.tick(now)
        self._quiet(now)

    def _send_frame(self) -> None:
        packet, self._sent_frame = self._downlink.tick()
        self._send_packet(packet)
        self._uplink.sent(self._sent_frame)

    def _quiet(self, now: float) -> None:
        """What is done when nobody speaks: ask a silent caller, mention what waits for a pause, end the call
        after a goodbye that came without the tool."""
        busy = (
            self.turns.state is not State.IDLE
            or self._agent_audible
            or self.caller_speaking
            or self._uplink.held
            or self._functions.busy
        )
        match self._idle.tick(now, busy=busy):
            case "ask":
                self.journal.note(now, "idle_prompt")
                self.prompt(ASK_IDLE)
            case "goodbye":
                self.leave(Departure("hangup", "bot", "idle", say=GOODBYE_IDLE))
        if busy:
            return
        if self._to_mention and self._idle.quiet_s(now) >= PAUSE_S:
            self.prompt(self._to_mention)
            self._to_mention = ""
        if self._goodbye_said and self._idle.quiet_s(now) >= self._script.farewell.grace_s:
            self.journal.note(now, "leaving", GOODBYE_WITHOUT_TOOL)
            self.gone(Departure("hangup", "agent", GOODBYE_WITHOUT_TOOL))

    def _sign_of_life(self) -> None:
        self._idle.heard(self._clock())
        self._goodbye_said = False

    def mention(self, what: str) -> None:
        """Have the agent say something at the next pause of the talk."""
        self._to_mention = what

    def datagram(self, data: bytes) -> None:
        self._model.append(self._uplink.datagram(data, self._clock()))

    def _agent_turn(self, now: float, audible: bool) -> None:
        """The agent became audible, or fell silent, at the wire."""
        self._agent_audible = audible
        self.journal.note(now, "agent_audible" if audible else "agent_silent")
        if not audible:
            self.stopwatch.silent(self._agent_left)
            return
        if self.journal.first_audio_ms is None and self.journal.answered is not None:
            self.journal.first_audio_ms = round((now - self.journal.answered) * 1000)
        if (waited_ms := self.stopwatch.audible(now)) is not None:
            self.journal.turn_latencies_ms.append(round(waited_ms))

    # ------------------------------------------------------------------ the phone

    def hold(self, held: bool) -> None:
        """The caller put us on hold, or came back: meanwhile silence goes up."""
        self._uplink.held = held
        self.journal.note(self._clock(), "hold" if held else "unhold")

    def digit(self, digit: str, duration_ms: int) -> None:
        """A DTMF digit; its packets are missing from the RTP, which is no loss."""
        now = self._clock()
        self._uplink.reorder.forgive(duration_ms, now)
        if not self.keys.private:
            self.journal.note(now, "dtmf")  # which one it was stands nowhere
            log.info("dtmf_received", ms=duration_ms)
        if self.turns.state in LEAVING or self.answering.key(digit):
            return
        self._sign_of_life()
        # A response that is still being made may bring the very function that the keys are for.
        awaited = self.keys.guarded and self.turns.state in BEING_MADE
        if self._script.interruptible and self.turns.state in INTERRUPTIBLE and not awaited:
            self._unanswered.add(self._response_id)
            self._give(Input.COMMIT)
        self.keys.press(digit, now)

    def _tell(self, what: str) -> None:
        """Something that the caller did without a word; the answer to his words, if he speaks, covers it."""
        now = self._clock()
        self.journal.said(now, "caller", f"told-{now}", f"[{what}]")
        self._model.tell(what)
        if not self.caller_speaking and not self.leaving:
            self.prompt()

    def gone(self, departure: Departure) -> None:
        """The caller, or the channel, is no longer there."""
        self._departure = departure
        self._give(Input.GONE)
        self._on_end(departure)

    # ------------------------------------------------------------------ leaving

    @property
    def leaving(self) -> bool:
        return self._departure is not None

    def leave(self, departure: Departure) -> bool:
        """Let the farewell be heard, then go; the first wish counts (``CallControl``)."""
        if self._departure is not None:
            return False
        self._departure = departure
        self.keys.keypad.stop("leaving")
        self.answering.leaving()
        self.journal.note(self._clock(), "leaving", departure.reason)
        if departure.say and self.turns.state is not State.IDLE:
            self._leave_by = self._clock() + FINISH_WITHIN_S  # the agent first ends what it is saying
        else:
            self._give(Input.LEAVE)
        return True

    def model_lost(self, departure: Departure) -> None:
        """No more words will come: leave with what was already said, otherwise as ``departure`` says."""
        if self.turns.state in LEAVING:
            self._downlink.end()
            self._give(Input.DONE)
            self._give(Input.DONE)
        else:
            self.gone(self._departure or departure)

    # ------------------------------------------------------------------ the model

    def on_model(self, event: events.Event) -> None:
        now = self._clock()
        if self.turns.state is State.ENDED and not isinstance(event, events.CallerTranscript):
            if isinstance(event, events.FunctionCall):  # owed an answer, or the session never responds again
                self._functions.refuse(event)
            return  # the line is no longer ours
        match event:
            case events.AgentAudio():
                if event.response_id in self._dropped:
                    return
                self._voiced_response = event.response_id
                self._downlink.audio(event.item_id, event.audio)
                self.stopwatch.audio(now, self._clock(), event.response_id)
                self._give(Input.AUDIO)
            case events.AgentAudioDone():
                if event.response_id not in self._dropped:
                    self._downlink.end()
            case events.ResponseCreated():
                self._response_id = event.response_id
                self._farewell_said = self._hangup_called = self._goodbye_said = False
                self._give(Input.RESPONSE)
            case events.ResponseDone():
                self._response_done(event)
            case events.SpeechStarted():
                self.caller_speaking = True
                self.journal.note(now, "caller_started")
                self._sign_of_life()
                self.keys.keypad.spoke()
                self.answering.speech_started(event.item_id)
                if self._uplink.agent_audible:
                    self._uplink.suspect()
                    self._give(Input.SPEECH)
            case events.SpeechStopped():
                self.caller_speaking = False
                self.journal.note(now, "caller_stopped")
                self.stopwatch.caller_stopped(now, self._uplink.last_voiced or now, self._response_id)
                self.answering.speech_stopped(event.item_id)
                self._untranscribed = event.item_id
            case events.CallerTranscript():
                self.journal.said(now, "caller", event.item_id, event.text)
                self.answering.transcribed(event.item_id, event.text)
                if event.item_id == self._untranscribed:
                    self._untranscribed = ""
                log.info("caller_said", transcript=event.text)
            case events.AgentTranscriptDelta():
                self.journal.said(now, "agent", event.item_id, event.text, more=True)
            case events.AgentTranscript():
                self._agent_said(event, now)
            case events.IdleTimeout():
                self.journal.note(now, "idle_prompt")
                self._idle.server_asked()
            case events.Fault() if self.turns.state in ASKING and event.code != ALREADY_ACTIVE:
                if (asked := self._model.asked_id) and event.event_id in ("", asked):
                    self._give(Input.DONE)  # the greeting or the farewell was refused: go on without
            case events.FunctionCall():
                self._hangup_called = self._hangup_called or event.name == "hangup_call"
                self._spawn(self._functions.run(event))
            case _:
                pass

    def _response_done(self, event: events.ResponseDone) -> None:
        self.journal.responses += 1
        self.journal.used(event.usage)
        written, self._written = self._written, {}
        if event.response_id in self._dropped:
            return
        if self._farewell_said and not self._hangup_called and self._departure is None:
            openai_log.warning("AI used farewell phrase without invoking hangup_call tool")
            self._goodbye_said = self._script.farewell.auto_hangup
        if event.status == "completed":
            self._judge_audio(written)
        if event.status == "failed" and not self._retried and self.turns.state in WAITING:
            self._retried = True
            log.warning("response_failed", reason=event.reason)
            self._model.respond(self._asked)
            return
        self._retried, self._asked = False, {}
        self._downlink.end()
        cancelled = event.status == "cancelled" and event.reason == "turn_detected"
        self._give(Input.CANCELLED if cancelled else Input.DONE)

    def _judge_audio(self, written: dict[str, int]) -> None:
        """Now that all of a response has come: is there enough audio for its words?"""
        for item_id, characters in written.items():
            received_ms = self._downlink.playout.received_ms(item_id)
            if received_ms < FASTEST_MS_PER_CHARACTER * characters:
                self.journal.partial_audio += 1
                log.warning("partial_audio", received_ms=received_ms, characters=characters)

    def _agent_said(self, event: events.AgentTranscript, now: float) -> None:
        self.journal.said(now, "agent", event.item_id, event.text)
        self._written[event.item_id] = len(event.text)
        log.info("agent_said", transcript=event.text)
        said = event.text.lower()
        if any(phrase.lower() in said for phrase in self._script.farewell.phrases):
            self._farewell_said = True  # whatever else the response says

    async def transcribed(self, within_s: float) -> None:
        """Until the caller's last words are known, as long as this talk has the line; for so long at most."""
        over = self._clock() + within_s
        await self._waits.until(lambda: not self._untranscribed or self._clock() >= over)

    # ------------------------------------------------------------------ what ``Functions`` asks

    @property
    def quiet(self) -> bool:
        """Nobody speaks, and no response is under way."""
        return self.turns.state is State.IDLE and not self.caller_speaking

    def interrupted(self, response_id: str) -> bool:
        return response_id in self._dropped

    def spoke(self, response_id: str, since: float) -> bool:
        """Whether the agent said something in that response, or was audible after ``since``."""
        return self._voiced_response == response_id or self._agent_left > since

    def overtaken(self, response_id: str) -> bool:
        """Whether an answer to the caller's voice comes instead: none comes to a key, or to a message."""
        return response_id in self._dropped - self._unanswered

    def quality(self) -> dict[str, Any]:
        """Counts of both ways of the voice, for the record."""
        return {
            "responses": self.journal.responses,
            "suspects": self.stopwatch.suspects,
            "interruptions": self.journal.interruptions,
            "partial_audio": self.journal.partial_audio,
            **self._uplink.quality(),
            **self._downlink.quality(),
            "turns": [turn.as_dict() for turn in self.stopwatch.turns],
            "barge_ins": [stop.as_dict() for stop in self.stopwatch.stops],
        }

    # ------------------------------------------------------------------ turn taking

    def _give(self, given: Input) -> None:
        for action in self.turns.give(given):
            self._act(action)
        self._uplink.listen_over_agent(self._script.interruptible and self.turns.state in INTERRUPTIBLE)

    def _act(self, action: Action) -> None:
        now = self._clock()
        playout, uplink = self._downlink.playout, self._uplink
        self.journal.note(now, action.name.lower())
        match action:
            case Action.CLOSE_GATE:
                uplink.close_gate()
            case Action.OPEN_GATE:
                uplink.open_gate()
            case Action.PAUSE:
                self.stopwatch.suspect(now, now - uplink.heard_for_ms / 1000)
                playout.pause()
                uplink.hold_gate()
                if not self._sent_early:  # the voice fades in a packet that does not wait for its tick
                    self._send_frame()
                    self._sent_early = True
            case Action.RESUME:
                self.stopwatch.resumed()
                playout.resume()
                uplink.close_gate()
            case Action.CUT:
                self.stopwatch.cut(now, now - uplink.heard_for_ms / 1000)
                self._cut()
            case Action.LOCK:
                self._model.forget()
                uplink.close_gate()
                self._deadline = now + self._script.farewell.deadline
            case Action.ASK_FAREWELL:
                self._ask_farewell()
            case Action.START_TAIL:
                self._tail_over = now + self._script.farewell.tail_ms / 1000
            case Action.DEPART:
                assert self._departure is not None
                self._on_end(self._departure)

    def _cut(self) -> None:
        """A committed barge-in: the played position decides what the model believes it has said."""
        playout = self._downlink.playout
        heard = list(playout.unheard())
        for item in heard:
            if item.received_ms:
                whole = playout.ended(item.item_id)
                self.journal.cut(item.item_id, item.played_ms, item.received_ms, whole=whole)
        self._downlink.cut()
        if self._response_id:
            self._dropped.add(self._response_id)
            if self.answering.listening:
                self._unanswered.add(self._response_id)
        self._model.interrupt([(item.item_id, item.played_ms) for item in heard])
        self.journal.interruptions += 1

    def _ask_farewell(self) -> None:
        if self._departure and self._departure.kind == "aside":
            self._give(Input.DONE)
            return
        self.prompt(self._departure.say if self._departure else "", tool_choice="none")

    def failed(self) -> None:
        """A fault of ours in the tick: the call cannot go on (``Line``)."""
        self.gone(Departure("hangup", "bot", "fault"))
