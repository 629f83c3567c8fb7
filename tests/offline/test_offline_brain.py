"""The brain: tolerant matching, function calls and what is said about their outcome."""

import json

import pytest

from bot.offline.brain import Brain, Call, Say, Turn, read_turn
from bot.offline.config import SessionConfig
from bot.offline.items import Item
from bot.offline.persona import FunctionCall, Intent, Knowledge, Persona, load_persona

PERSONA = load_persona()
TOOLS = SessionConfig(tools=({"name": "hangup_call"}, {"name": "transfer_call"}))


def said(text: str, config: SessionConfig = TOOLS) -> list[Say | Call]:
    return Brain(PERSONA).reply(Turn(said=text), config)


def text_of(steps: list[Say | Call]) -> str:
    (step,) = steps
    assert isinstance(step, Say)
    return step.text


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        ("What are your opening hours?", "Monday to Friday"),
        ("What are your opening now?", "Monday to Friday"),
        ("um hello so when are you open on saturday please", "Monday to Friday"),
        ("How much does the repair cost?", "fifteen dollars"),
        ("to I need an appointment.", "do not need an appointment"),
        ("See you, so electric bikes.", "electric bikes"),
        ("Where is your shop?", "Harbour Street"),
        ("The quick brown fox jumps over the lazy dog.", "did not understand"),
        ("Can I pay by card?", "card or in cash"),
        ("Can I render by?", "did not understand"),
        ("Do you have anything else?", "did not understand"),
        ("", "could not hear"),
        ("...", "could not hear"),
    ],
)
def test_answers_survive_small_ears(words: str, answer: str) -> None:
    assert answer in text_of(said(words))


@pytest.mark.parametrize(
    "words", ["Goodbye.", "Good bye!", "bye bye", "Thank you, goodbye.", "No, that's all."]
)
def test_goodbye_calls_hangup_when_the_session_has_it(words: str) -> None:
    assert said(words) == [Call("hangup_call", "{}")]


def test_without_the_tool_or_with_tool_choice_none_goodbye_is_only_said() -> None:
    assert "Goodbye" in text_of(said("goodbye", SessionConfig()))
    none = SessionConfig(tools=TOOLS.tools, tool_choice="none")
    assert "Goodbye" in text_of(said("goodbye", none))


def test_words_before_the_call_are_said_in_the_same_response() -> None:
    steps = said("Can I speak to a person?")
    assert isinstance(steps[0], Say)
    assert steps[1] == Call("transfer_call", json.dumps({"destination": "reception"}))


@pytest.mark.parametrize(
    ("output", "failed"),
    [
        ('{"ok": true}', False),
        ("done", False),
        ('{"status": "success"}', False),
        ('{"error": "no such place"}', True),
        ('{"ok": false}', True),
        ('{"status": "error", "message": "x"}', True),
        ("error: busy", True),
    ],
)
def test_the_outcome_is_spoken_of(output: str, failed: bool) -> None:
    words = text_of(Brain(PERSONA).reply(Turn(outcome=("transfer_call", output)), TOOLS))
    assert words == (PERSONA.intents[1].on_error if failed else PERSONA.intents[1].after)
    words = text_of(Brain(PERSONA).reply(Turn(outcome=("unknown", output)), TOOLS))
    assert ("sorry" in words) == failed


@pytest.mark.parametrize("quoted", ['"Hi there."', "“Hi there.”", "«Hi there.»"])
def test_quoted_instructions_are_said_as_they_are(quoted: str) -> None:
    steps = Brain(PERSONA).reply(
        Turn(said="goodbye"), TOOLS, instructions=f"Greet the caller by saying: {quoted} Then wait."
    )
    assert steps == [Say("Hi there.")]


def test_nothing_said_yet_brings_the_greeting_and_later_the_question_whether_somebody_is_there() -> None:
    brain = Brain(PERSONA)
    assert text_of(brain.reply(Turn(), TOOLS)) == PERSONA.greeting
    assert text_of(brain.reply(Turn(greeted=True), TOOLS)) == PERSONA.idle
    assert text_of(brain.reply(Turn(said="", greeted=True), TOOLS, idle=True)) == PERSONA.idle


def test_a_forced_tool_is_called() -> None:
    forced = SessionConfig(tools=TOOLS.tools, tool_choice={"type": "function", "name": "transfer_call"})
    assert isinstance(said("hello", forced)[0], Call)
    required = SessionConfig(tools=({"name": "anything"},), tool_choice="required")
    assert said("hello", required) == [Call("anything", "{}")]


def test_any_function_can_be_an_intent() -> None:
    persona = Persona(
        intents=(
            Intent(
                phrases=("book a table",),
                call=FunctionCall(name="book", arguments={"seats": 2}),
                after="Booked.",
            ),
        ),
        answers=(Knowledge(questions=("what is on the menu",), answer="Fish."),),
    )
    config = SessionConfig(tools=({"name": "book"},))
    assert Brain(persona).reply(Turn(said="I want to book a table"), config) == [Call("book", '{"seats": 2}')]


def test_the_turn_is_what_the_caller_said_since_the_agent_spoke() -> None:
    user = [
        Item(f"u{n}", "message", role="user", heard=text) for n, text in enumerate(["hi", "what", "hours"])
    ]
    agent = Item("a", "message", role="assistant")
    call = Item("c", "function_call", call_id="call_1", name="hangup_call")
    output = Item("o", "function_call_output", call_id="call_1", output="{}")
    assert read_turn([]) == Turn()
    assert read_turn([user[0], agent, *user[1:]]) == Turn(said="what hours", greeted=True)
    assert read_turn([user[0], agent]) == Turn(greeted=True)
    assert read_turn([user[0], call, output]) == Turn(outcome=("hangup_call", "{}"))
    assert read_turn([user[0], call, output, user[1]]) == Turn(said="what")


ORDER = Persona(
    intents=(
        Intent(
            phrases=("where is my order",),
            call=FunctionCall(name="order"),
            after="It is {answer.status}, {answer.gone}.",
            on_error="Sorry.",
            then=FunctionCall(name="transfer_call", arguments={"destination": "{answer.number}", "n": 1}),
        ),
    )
)


def test_a_value_of_the_output_is_spoken_and_may_lead_to_another_call() -> None:
    output = '{"ok":true,"answer":{"status":"shipped","number":"+900"}}'
    steps = Brain(ORDER).reply(Turn(outcome=("order", output)), TOOLS)
    arguments = '{"destination": "+900", "n": 1}'
    assert steps == [Say("It is shipped, ."), Call("transfer_call", arguments)]


@pytest.mark.parametrize(("output", "words"), [('{"ok":false}', "Sorry."), ("shipped", "It is , .")])
def test_an_output_without_the_value(output: str, words: str) -> None:
    assert Brain(ORDER).reply(Turn(outcome=("order", output)), TOOLS)[0] == Say(words)


def test_the_outcome_is_spoken_of_with_what_it_says() -> None:
    call = FunctionCall(name="gather_digits")
    persona = Persona(intents=(Intent(phrases=("my number",), call=call, after="{digits}, {who}."),))
    outcome = ("gather_digits", '{"ok":true,"digits":"471","who":"Ada"}')
    (step,) = Brain(persona).reply(Turn(outcome=outcome, greeted=True), SessionConfig())
    assert step == Say("4 7 1, Ada.")


@pytest.mark.parametrize(
    ("words", "tool"),
    [
        ("Can you ask the workshop?", "attended_transfer"),
        ("Yes.", "accept_caller"),
        ("Yes, put them through.", "accept_caller"),
        ("No, not now.", "decline_caller"),
        ("I want to talk to sales.", "handoff_to_agent"),
        ("Please open the gate.", "send_dtmf"),
        ("I want to leave a message.", "take_message"),
        ("Is my repair done?", "gather_digits"),
        ("I want to pay my invoice.", "pause_for_card"),
    ],
)
def test_what_leads_to_each_tool_where_the_session_has_it(words: str, tool: str) -> None:
    steps = said(words, SessionConfig(tools=({"name": tool},)))
    last = steps[-1]
    assert isinstance(last, Call)
    assert last.name == tool
    assert not [step for step in said(words, SessionConfig()) if isinstance(step, Call)]
