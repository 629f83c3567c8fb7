"""A call as a row of the store, at its beginning, in its middle and at its end."""

from bot.call.call import Call
from bot.records.store import Row


def row_of(call: Call) -> Row:
    """All that is known of the call by now; ``outcome`` is ``active`` while it lasts."""
    journal, departure, channel = call.journal, call.departure, call.channel
    answered, ended = journal.answered, bool(call.ended_at)
    return {
        "id": call.id,
        "direction": "in" if call.order is None else "out",
        "started_at": call.started_at,
        "answered_at": None if answered is None else call.started_at + answered - journal.began,
        "ended_at": call.ended_at or None,
        "caller_number": channel.caller.number,
        "caller_name": channel.caller.name,
        "dialled_number": channel.dialplan.exten,
        "answered_by": call.answered_by,
        "agent": call.brief.agent if call.brief else None,
        "outcome": (departure.kind if departure else "hangup") if ended else "active",
        "ended_by": (departure.by if departure else "bot") if ended else None,
        "reason": (departure.reason if departure else "fault") if ended else None,
        "first_audio_ms": journal.first_audio_ms,
        "turn_latencies_ms": journal.turn_latencies_ms,
        "transcript": [utterance.as_dict() for utterance in journal.transcript],
        "timeline": journal.timeline,
        "usage": journal.usage,
        "tools": journal.tools,
        "quality": call.quality(),
        "recording": call.recording,
    }
