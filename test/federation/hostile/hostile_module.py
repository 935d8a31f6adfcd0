"""A homeserver that cheats: it never asks a room's policy server, neither about what its own users send nor about what comes in.

A Synapse module for tests only. It has nothing to configure; whoever loads it trusts nobody and can't be trusted.
"""
from typing import Any

from synapse.events import EventBase
from synapse.handlers.room_policy import RoomPolicyHandler


async def nothing_is_asked(_self: RoomPolicyHandler, event: EventBase, verify: bool = False) -> None:
    return


async def everything_is_allowed(_self: RoomPolicyHandler, event: EventBase) -> bool:
    return True


class Hostile:
    def __init__(self, config: dict[str, Any], api: object) -> None:
        RoomPolicyHandler.ask_policy_server_to_sign_event = nothing_is_asked  # type: ignore[method-assign]
        RoomPolicyHandler.is_event_allowed = everything_is_allowed  # type: ignore[method-assign]
