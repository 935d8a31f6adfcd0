"""
Keeps honest events that Synapse (1.163.2, at least) drops beside one that it rejects.

Events of a room that come while others are being stored are stored in one batch. Where a batch holds an event that the rules of rooms reject and one that they accept, Synapse
works out the room's new state from both, asks the rejected one for its state, and fails: "Attempt to access state_group of rejected event". The whole batch is lost. Of an
honest event that came over federation nobody hears again until something refers to it; and what builds on the rejected one can't be stored any more, since no server hands
that out. So a partner's homeserver can cut two hospitals off from each other in a room. A rejected event is never an end of the room's graph: left out here, it is stored as
rejected, as when it comes alone.

Keeps refused what the policy server refused, where Synapse fetches an event by itself. An event that others build on is fetched by its id, judged, and handed on as a copy, so that
whoever changes it changes nothing else; of the verdict the copy knows nothing, and what was refused is stored and shown as anything else is: in a room that takes encrypted messages only,
clear text of a homeserver that doesn't ask, in the history of one that does.
"""

import logging
from collections.abc import Iterable
from typing import Any

from synapse.federation.federation_client import FederationClient
from synapse.module_api import ModuleApi
from synapse.storage.controllers.persist_events import EventsPersistenceStorageController

logger = logging.getLogger(__name__)

NAME = "_get_new_state_after_events"
FETCH = "get_pdu"
JUDGED = "_get_pdu_cache"


def keep_honest_events(controller: Any = EventsPersistenceStorageController) -> None:
    """Once for each process, whatever else loads it. A Synapse that does this elsewhere is left as it is, and says so."""
    original = unmended(controller, NAME)
    if original is None:
        return

    async def without_rejected(self: Any, room_id: str, events_context: Iterable[Any], *more: Any, **named: Any) -> Any:
        return await original(self, room_id, [(event, context) for event, context in events_context if not context.rejected], *more, **named)

    replace(controller, NAME, original, without_rejected)


def keep_refused(client: Any = FederationClient) -> None:
    """As `keep_honest_events`. Where what was judged isn't kept under this name any more, the fetched event is as Synapse gives it, and that is said too."""
    original = unmended(client, FETCH)
    if original is None:
        return

    async def as_judged(self: Any, destinations: Iterable[str], event_id: str, *more: Any, **named: Any) -> Any:
        pulled = await original(self, destinations, event_id, *more, **named)
        cache = getattr(self, JUDGED, None)
        if cache is None:
            logger.warning("aceso.not-mended what=%s: this Synapse does it elsewhere; see docs/synapse-module.md", JUDGED)
            return pulled
        judged = cache.get(event_id)
        if pulled is not None and judged is not None and judged[0].internal_metadata.is_soft_failed():
            pulled.pdu.internal_metadata.soft_failed = True
            pulled.pdu.internal_metadata.policy_server_spammy = judged[0].internal_metadata.policy_server_spammy
        return pulled

    replace(client, FETCH, original, as_judged)


def unmended(owner: Any, name: str) -> Any:
    """Synapse's own function; nothing where it has none of that name, or it is mended already."""
    original = getattr(owner, name, None)
    if original is None:
        logger.warning("aceso.not-mended what=%s: this Synapse does it elsewhere; see docs/synapse-module.md", name)
        return None
    return None if hasattr(original, "by_synapse") else original


def replace(owner: Any, name: str, original: Any, mended: Any) -> None:
    mended.by_synapse = original
    setattr(owner, name, mended)


class KeepHonestEvents:
    """The mends alone, for a homeserver that has no other use for the module: nothing to configure."""

    def __init__(self, config: object, api: ModuleApi) -> None:
        keep_honest_events()
        keep_refused()
