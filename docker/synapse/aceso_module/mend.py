"""
Keeps honest events that Synapse (1.163.2, at least) drops beside one that it rejects.

Events of a room that come while others are being stored are stored in one batch. Where a batch holds an event that the rules of rooms reject and one that they accept, Synapse
works out the room's new state from both, asks the rejected one for its state, and fails: "Attempt to access state_group of rejected event". The whole batch is lost. Of an
honest event that came over federation nobody hears again until something refers to it; and what builds on the rejected one can't be stored any more, since no server hands
that out. So a partner's homeserver can cut two hospitals off from each other in a room. A rejected event is never an end of the room's graph: left out here, it is stored as
rejected, as when it comes alone.
"""

import logging
from collections.abc import Iterable
from typing import Any

from synapse.module_api import ModuleApi
from synapse.storage.controllers.persist_events import EventsPersistenceStorageController

logger = logging.getLogger(__name__)

NAME = "_get_new_state_after_events"


def keep_honest_events(controller: Any = EventsPersistenceStorageController) -> None:
    """Once for each process, whatever else loads it. A Synapse that does this elsewhere is left as it is, and says so."""
    original = getattr(controller, NAME, None)
    if original is None:
        logger.warning("aceso.not-mended what=%s: this Synapse does it elsewhere; see docs/synapse-module.md", NAME)
        return
    if hasattr(original, "by_synapse"):
        return

    async def without_rejected(self: Any, room_id: str, events_context: Iterable[Any], *more: Any, **named: Any) -> Any:
        return await original(self, room_id, [(event, context) for event, context in events_context if not context.rejected], *more, **named)

    without_rejected.by_synapse = original  # type: ignore[attr-defined]
    setattr(controller, NAME, without_rejected)


class KeepHonestEvents:
    """The mend alone, for a homeserver that has no other use for the module: nothing to configure."""

    def __init__(self, config: object, api: ModuleApi) -> None:
        keep_honest_events()
