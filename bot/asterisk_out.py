"""The context of the dialplan through which the bot calls out. It repeats ``outbound.allow``: Asterisk
refuses what comes through it, whoever asks.

An endpoint holds ``/`` and ``@``, which an extension cannot: it comes in a channel variable, and the patterns
are regular expressions.
"""

import re

from bot.config.settings import OUT_CONTEXT, Settings

#: What a wildcard may stand for: nothing that parts an endpoint, or that ``Dial`` would give a meaning to.
CHARACTER = "[A-Za-z0-9_.+*#:-]"


def expression(pattern: str) -> str:
    """A pattern of ``outbound.allow`` as a POSIX regular expression, without a backslash."""
    pieces = re.findall(r"\[[^]]*\]|.", pattern)
    meaning = {"*": f"{CHARACTER}*", "?": CHARACTER, ".": "[.]", "+": "[+]"}
    return f"^{''.join(meaning.get(piece, piece) for piece in pieces)}$"


def called_out(settings: Settings, header: str = f"[{OUT_CONTEXT}]") -> str:
    """The context; empty when nobody may be called."""
    if not settings.outbound.allow:
        return ""
    tests = [
        f'GotoIf($[${{REGEX("{expression(pattern)}" ${{VOICEBOT_ENDPOINT}})}}]?dial)'
        for pattern in settings.outbound.allow
    ]
    # Test and Dial see the same text, of which none means anything to the dialplan.
    harmless = "Set(VOICEBOT_ENDPOINT=${FILTER(A-Za-z0-9_.+*#@:/\\x2d,${VOICEBOT_ENDPOINT})})"
    first, *others = [harmless, *tests, "Log(WARNING,refused to call ${VOICEBOT_ENDPOINT})", "Hangup(21)"]
    lines = [f"exten => s,1,{first}", *(f" same => n,{line}" for line in others)]
    lines += [
        f" same => n(dial),Dial(${{VOICEBOT_ENDPOINT}},{settings.outbound.ring_timeout})",
        " same => n,Hangup(${HANGUPCAUSE})",
    ]
    return f"\n; outbound.allow: whom the bot may call\n{header}\n" + "\n".join(lines) + "\n"
