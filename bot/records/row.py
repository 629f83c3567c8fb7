"""A finished call as a row of the store."""

from bot.call.call import Call
from bot.records.store import Row


def opening_row(call: Call) -> Row:
    """What is known when the call begins."""
    return {
        "id": call.id,
        "started_at": call.started_at,
        "caller_number": call.channel.caller.number,
        "caller_name": call.channel.caller.name,
        "dialled_number": call.channel.dialplan.exten,
    }


def closing_row(call: Call) -> Row:
    """All that is known when it is over."""
    journal, departure = call.journal, call.departure
    answered = journal.answered
    return opening_row(call) | {
        "agent": call.brief.agent if call.brief else None,
        "answered_at": None if answered is None else call.started_at + answered - journal.began,
        "ended_at": call.ended_at,
        "outcome": departure.kind if departure else "hangup",
        "ended_by": departure.by if departure else "bot",
        "reason": departure.reason if departure else "fault",
        "first_audio_ms": journal.first_audio_ms,
        "turn_latencies_ms": journal.turn_latencies_ms,
        "transcript": [utterance.as_dict() for utterance in journal.transcript],
        "timeline": journal.timeline,
        "usage": journal.usage,
        "tools": journal.tools,
        "quality": call.quality(),
        "recording": call.recording,
    }
