"""Tells ``twistd`` of the lottery central. Nothing else belongs here: it is read at every scan."""

from twisted.application.service import ServiceMaker

lottery = ServiceMaker(
    "lottery",
    "lottery.tap",
    "A central that takes bets from agencies, stores them and holds the draw.",
    "lottery",
)
