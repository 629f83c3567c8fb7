"""Draws docs/img/architecture.svg and docs/img/turns.svg: ``python docs/img/draw.py``.

The second is made from the turn-taking table itself; a test fails when it no longer shows the table.
"""

from html import escape
from math import hypot
from pathlib import Path
from typing import NamedTuple

from bot.call.turns import LEAVING, TABLE, Action, Input, State

HERE = Path(__file__).parent
INK, QUIET, PAPER = "#22303c", "#5f6b7a", "#ffffff"
BLUE, GREEN, ORANGE, GREY, VIOLET = "#dbe9f6", "#dcefe0", "#fbe6c8", "#eef1f4", "#e9e0f1"
UP, DOWN, CONTROL = "#1f77b4", "#2e8b57", "#8e44ad"


class Drawing:
    """An SVG, element by element; lengths are pixels."""

    def __init__(self, width: int, height: int, title: str) -> None:
        marks = "".join(
            f'<marker id="{colour[1:]}" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7"'
            f' markerHeight="7"'
            f' orient="auto-start-reverse"><path d="M0 0L10 5L0 10z" fill="{colour}"/></marker>'
            for colour in (INK, UP, DOWN, CONTROL)
        )
        self.parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}"'
            f' height="{height}" font-family="DejaVu Sans, Verdana, sans-serif" font-size="13" fill="{INK}">',
            f"<title>{escape(title)}</title><defs>{marks}</defs>",
            f'<rect width="{width}" height="{height}" fill="{PAPER}"/>',
        ]

    def box(self, x: float, y: float, w: float, h: float, fill: str, *lines: str, top: bool = False) -> None:
        """The first line is bold; ``top``: the lines begin at the upper edge, else they are centred."""
        self.parts.append(
            f'<rect x="{x}" y="{y}" width="{w}" height="{h}" rx="8" fill="{fill}" stroke="{QUIET}"/>'
        )
        first = y + 22 if top else y + h / 2 + 5 - 8.5 * (len(lines) - 1)
        for index, line in enumerate(lines):
            self.text(x + w / 2, first + 17 * index, line, bold=index == 0, size=13 if index == 0 else 11.5)

    def text(
        self, x: float, y: float, words: str, *, bold: bool = False, size: float = 11.5, colour: str = INK
    ) -> None:
        weight = ' font-weight="bold"' if bold else ""
        self.parts.append(
            f'<text x="{x:g}" y="{y:g}" text-anchor="middle" font-size="{size:g}"{weight} fill="{colour}">'
            f"{escape(words)}</text>"
        )

    def label(self, x: float, y: float, words: str, colour: str = INK) -> None:
        """Text on a patch of paper, legible across a line."""
        width = 6.6 * len(words) + 8
        self.parts.append(
            f'<rect x="{x - width / 2:g}" y="{y - 12:g}" width="{width:g}" height="16" fill="{PAPER}"'
            ' fill-opacity="0.9"/>'
        )
        self.text(x, y, words, size=11, colour=colour)

    def path(self, d: str, colour: str = INK, *, both: bool = False, dashed: bool = False) -> None:
        start = f' marker-start="url(#{colour[1:]})"' if both else ""
        dash = ' stroke-dasharray="5 4"' if dashed else ""
        self.parts.append(
            f'<path d="{d}" fill="none" stroke="{colour}" stroke-width="1.8"{dash}{start}'
            f' marker-end="url(#{colour[1:]})"/>'
        )

    def done(self) -> str:
        return "\n".join([*self.parts, "</svg>"]) + "\n"


# ---------------------------------------------------------------------------- the architecture


def architecture() -> str:
    d = Drawing(1240, 640, "The voice bot between Asterisk and the model")
    d.box(20, 320, 100, 90, GREY, "phone", "SIP, G.711")
    d.box(170, 60, 190, 520, ORANGE, "Asterisk", top=True)
    d.box(190, 110, 150, 66, PAPER, "ARI", "requests by HTTP,", "events by WebSocket")
    d.box(190, 215, 150, 50, PAPER, "dialplan", "100: Stasis(voicebot)")
    d.box(190, 320, 150, 90, PAPER, "mixing bridge", "caller's channel", "+ ExternalMedia")
    d.text(265, 470, "goes on in the dialplan")
    d.text(265, 487, "when the bot is away, full,")
    d.text(265, 504, "or hands the call on")
    d.box(420, 20, 580, 600, BLUE, "voicebot run: one process, one event loop", top=True)
    d.box(440, 110, 150, 66, PAPER, "ari", "typed events in order,", "reconnects")
    d.box(
        635,
        100,
        170,
        86,
        VIOLET,
        "call",
        "controller: all calls",
        "turns: one table",
        "a task group per call",
    )
    d.box(850, 110, 130, 66, PAPER, "tools", "hangup_call", "transfer_call")
    d.path("M340 143L440 143", CONTROL, both=True)
    d.path("M590 143L635 143", CONTROL, both=True)
    d.path("M805 143L850 143", CONTROL, both=True)
    # Before the boxes that they pass under.
    d.path("M879 285C879 240 800 230 770 186", CONTROL, both=True)
    d.path("M600 410C600 330 600 240 660 186", CONTROL, both=True)
    up = (("rtp", "source, reorder"), ("audio", "G.711, conceal"), ("echo + VAD", "who speaks"))
    down = (("pacer", "every 20 ms"), ("playout", "what was heard"), ("audio", "24→8 kHz, G.711"))
    for index, lane in enumerate((up, down)):
        for at, lines in enumerate(lane):
            d.box(455 + 123 * at, 285 + 125 * index, 110, 56, GREEN, *lines)
    d.box(824, 285, 110, 56, GREEN, "gate", "delay line, 8→24")
    d.text(523, 272, "uplink: 20 ms frames", colour=UP)
    d.text(680, 486, "downlink: bursts in, one packet each 20 ms out", colour=DOWN)
    d.path("M340 335C390 335 400 313 455 313", UP)
    d.path("M455 438C400 438 390 395 340 395", DOWN)
    for x in (565, 688, 811):
        d.path(f"M{x} 313L{x + 13} 313", UP)
    for x in (578, 701):
        d.path(f"M{x} 438L{x - 13} 438", DOWN)
    d.path("M633 410C640 375 720 375 745 341", INK, dashed=True)
    d.label(684, 380, "what left")
    d.box(852, 385, 128, 74, PAPER, "realtime", "dialects, session,", "WebSocket")
    d.path("M934 341L934 385", UP)
    d.path("M852 438L811 438", DOWN)
    d.path("M965 385C965 300 900 210 805 170", CONTROL, both=True)
    d.box(440, 525, 250, 66, PAPER, "records", "SQLite row, stereo recording,", "picture of a call")
    d.box(710, 525, 270, 66, PAPER, "web", "/healthz  /readyz  /metrics", "on loopback")
    d.box(1050, 60, 170, 520, GREY, "the model", top=True)
    d.text(1135, 106, "one of")
    d.box(1065, 130, 140, 60, PAPER, "OpenAI", "Realtime API")
    d.box(1065, 210, 140, 74, PAPER, "others", "Azure, xAI,", "compatible servers")
    d.box(
        1065,
        385,
        140,
        110,
        PAPER,
        "embedded model",
        "a process of its own:",
        "turn detection,",
        "Whisper, Piper,",
        "persona.yaml",
    )
    d.path("M980 415L1050 415", UP)
    d.path("M1050 438L980 438", DOWN)
    d.path("M120 350L190 350", UP)
    d.path("M190 380L120 380", DOWN)
    d.text(145, 300, "SIP, RTP")
    d.text(390, 310, "RTP", colour=UP)
    d.text(390, 132, "HTTP", colour=CONTROL)
    d.text(1020, 402, "JSON over", colour=QUIET, size=9.5)
    d.text(1020, 456, "WebSocket", colour=QUIET, size=9.5)
    return d.done()


# ---------------------------------------------------------------------------- the turn-taking table


class Place(NamedTuple):
    x: float
    y: float


PLACES = {
    State.SUSPECT: Place(620, 110),
    State.SUSPECT_DONE: Place(1010, 110),
    State.IDLE: Place(130, 310),
    State.SPEAKING: Place(620, 310),
    State.DRAINING: Place(1010, 310),
    State.GREETING: Place(370, 90),
    State.GREETED: Place(370, 215),
    State.PENDING: Place(350, 510),
    State.TRAILING: Place(810, 510),
    State.CLOSING: Place(130, 660),
    State.ASKED: Place(130, 810),
    State.FAREWELL: Place(560, 660),
    State.FAREWELL_DONE: Place(560, 810),
    State.TAIL: Place(850, 810),
    State.ENDED: Place(1100, 810),
}
HEIGHT = 74
MEANING = {
    State.IDLE: "the agent is silent",
    State.PENDING: "a response, no audio yet",
    State.GREETING: "protected, more to come",
    State.GREETED: "complete, still heard",
    State.SPEAKING: "heard, more to come",
    State.DRAINING: "complete, still heard",
    State.TRAILING: "still heard, next created",
    State.SUSPECT: "paused, more to come",
    State.SUSPECT_DONE: "paused, complete",
    State.CLOSING: "leaving, no audio yet",
    State.ASKED: "a farewell was asked for",
    State.FAREWELL: "heard, more to come",
    State.FAREWELL_DONE: "complete, still heard",
    State.TAIL: "quiet",
    State.ENDED: "",
}
#: How far an arrow swings out to its left, where a straight one would cross a box or another arrow.
SWING = {
    (State.IDLE, State.GREETING): 55,
    (State.GREETING, State.GREETED): 45,
    (State.GREETED, State.GREETING): 45,
    (State.IDLE, State.PENDING): 26,
    (State.PENDING, State.IDLE): 26,
    (State.DRAINING, State.IDLE): 150,
    (State.SPEAKING, State.SUSPECT): 34,
    (State.SUSPECT, State.SPEAKING): 34,
    (State.DRAINING, State.SUSPECT_DONE): 34,
    (State.SUSPECT_DONE, State.DRAINING): 34,
    (State.SUSPECT, State.SUSPECT_DONE): 22,
    (State.SUSPECT_DONE, State.SUSPECT): 22,
    (State.SPEAKING, State.DRAINING): 22,
    (State.DRAINING, State.SPEAKING): 22,
    (State.DRAINING, State.TRAILING): 26,
    (State.TRAILING, State.DRAINING): 26,
    (State.TRAILING, State.SUSPECT): -70,
}
#: Where on its arrow an input is written, 0 to 1, when the middle is taken.
WRITTEN_AT = {(State.TRAILING, State.SUSPECT): 0.75, (State.DRAINING, State.IDLE): 0.6}


def width_of(state: State) -> int:
    return 170 if state in LEAVING else 212


def badges(state: State) -> list[str]:
    """What would be an arrow out of nearly every box is a line in it."""
    lines = []
    cuts = [given for given in Input if _cuts(state, given)]
    if cuts:
        lines.append(f"{' or '.join(given.name for given in cuts)}: cut, to IDLE")
    if (state, Input.LEAVE) in TABLE:
        lines.append(f"LEAVE: {TABLE[state, Input.LEAVE][0].name}")
    return lines


def _cuts(state: State, given: Input) -> bool:
    after, actions = TABLE.get((state, given), (None, ()))
    return after is State.IDLE and Action.CUT in actions


def arrows() -> dict[tuple[State, State], list[str]]:
    """The other rows, by where they lead from and to."""
    found: dict[tuple[State, State], list[str]] = {}
    for (state, given), (after, _) in TABLE.items():
        if given in (Input.GONE, Input.DEADLINE, Input.LEAVE) or _cuts(state, given):
            continue
        found.setdefault((state, after), []).append(given.name)
    return found


def turns() -> str:
    d = Drawing(1240, 880, "The turn-taking table")
    d.text(130, 60, "The turn-taking table", bold=True, size=16)
    for y, words in (
        (90, "blue: the gate is open"),
        (110, "orange: it is closed"),
        (130, "violet: it holds"),
    ):
        d.text(130, y, words, colour=QUIET)
    for (state, after), inputs in arrows().items():
        _arrow(d, state, after, inputs)
    for state, place in PLACES.items():
        _state(d, state, place)
    d.text(930, 650, "Below, the call is left: nobody can interrupt.", colour=QUIET)
    d.text(930, 670, "DEADLINE leads from each of these boxes to ENDED, GONE from every box.", colour=QUIET)
    return d.done()


def _state(d: Drawing, state: State, place: Place) -> None:
    fill = GREY if state is State.ENDED else BLUE if state in (State.IDLE, State.PENDING) else ORANGE
    if state in (State.SUSPECT, State.SUSPECT_DONE):
        fill = VIOLET
    lines = [state.name, *filter(None, (MEANING[state],)), *badges(state)]
    width = width_of(state)
    d.box(place.x - width / 2, place.y - HEIGHT / 2, width, HEIGHT, fill, *lines)


def _arrow(d: Drawing, state: State, after: State, inputs: list[str]) -> None:
    a, b = PLACES[state], PLACES[after]
    length = hypot(b.x - a.x, b.y - a.y)
    left = ((b.y - a.y) / length, -(b.x - a.x) / length)
    swing = SWING.get((state, after), 0)
    middle = Place((a.x + b.x) / 2 + left[0] * swing, (a.y + b.y) / 2 + left[1] * swing)
    start, end = _edge(a, middle, state), _edge(b, middle, after)
    bend = Place(2 * middle.x - (start.x + end.x) / 2, 2 * middle.y - (start.y + end.y) / 2)
    d.path(f"M{start.x:.0f} {start.y:.0f}Q{bend.x:.0f} {bend.y:.0f} {end.x:.0f} {end.y:.0f}")
    t = WRITTEN_AT.get((state, after), 0.5)
    x, y = (
        (1 - t) ** 2 * first + 2 * t * (1 - t) * between + t**2 * last
        for first, between, last in zip(start, bend, end, strict=True)
    )
    d.label(x, y + 4, ", ".join(inputs))


def _edge(box: Place, to: Place, state: State) -> Place:
    """Where the line from the middle of a box to a point leaves it."""
    half_width = width_of(state) / 2
    dx, dy = to.x - box.x, to.y - box.y
    share = min(half_width / abs(dx) if dx else 9, HEIGHT / 2 / abs(dy) if dy else 9)
    return Place(box.x + dx * share, box.y + dy * share)


DRAWINGS = {"architecture.svg": architecture, "turns.svg": turns}

if __name__ == "__main__":
    for name, draw in DRAWINGS.items():
        (HERE / name).write_text(draw(), encoding="utf-8")
