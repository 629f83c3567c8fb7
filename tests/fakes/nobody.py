"""A call for tools that have nothing to do with it; keeps how it was asked to be left."""

from bot.call.ports import Departure


class NoCall:
    def __init__(self) -> None:
        self.left: list[Departure] = []

    def leave(self, departure: Departure) -> None:
        self.left.append(departure)
