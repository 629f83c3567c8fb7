"""What tools and talks see of a call, without a call: a wish to leave is kept, and nobody else is there."""

from bot.call.ports import AnsweringControl, Departure, KeyControl


class NoDesk:
    async def hand_off(self, agent: str, note: str) -> str:
        return "nobody is there"

    async def consult(self, destination: str, summary: str) -> str:
        return "nobody is there"

    def decide(self, *, accept: bool) -> str:
        raise AssertionError("nobody was asked")


class NoCall:
    call_id = ""
    keys: KeyControl
    answering: AnsweringControl

    def __init__(self) -> None:
        self.left: list[Departure] = []
        self.desk = NoDesk()

    def leave(self, departure: Departure) -> bool:
        self.left.append(departure)
        return len(self.left) == 1
