"""Every rule that needs more than one field, or a friendly word, in one list."""

from bot.config import rules_calls, rules_line, rules_model, rules_tools
from bot.config.problem import Finding
from bot.config.rules import Rule, Subject

KNOWN_TOOLS = frozenset(
    {
        "hangup_call",
        "transfer_call",
        "attended_transfer",
        "handoff_to_agent",
        "gather_digits",
        "send_dtmf",
        "take_message",
        "pause_for_card",
    }
)

RULES: tuple[Rule, ...] = rules_model.RULES + rules_line.RULES + rules_calls.RULES + rules_tools.RULES


def check(subject: Subject) -> list[Finding]:
    """All findings of all rules."""
    return [finding for rule in RULES for finding in rule(subject)]
