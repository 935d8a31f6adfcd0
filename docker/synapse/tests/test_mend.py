"""What Synapse loses without the mends, and keeps with them: its own functions, with what they are given when it stores and fetches events."""

from types import SimpleNamespace
from typing import Any

from synapse.api.room_versions import RoomVersions
from synapse.events import make_event_from_dict
from synapse.events.snapshot import EventContext
from synapse.federation.federation_client import FederationClient
from synapse.storage.controllers.persist_events import EventsPersistenceStorageController as Controller
from twisted.trial.unittest import TestCase

from aceso_module.mend import FETCH, JUDGED, NAME, keep_honest_events, keep_refused

ROOM, BEFORE = "!r", "$before"


def stored(event_id: str, state_group: int, rejected: str | None = None) -> tuple[Any, EventContext]:
    event = SimpleNamespace(event_id=event_id, type="m.room.encrypted", internal_metadata=SimpleNamespace(is_outlier=lambda: False))
    return event, EventContext(storage=None, state_group=state_group, state_group_before_event=state_group, state_group_deltas={}, rejected=rejected)  # type: ignore[arg-type]


async def groups(ids: Any) -> dict[str, int]:
    return {event_id: 7 for event_id in ids}


class MendTests(TestCase):
    def setUp(self) -> None:
        # Whatever another test has loaded before.
        self.addCleanup(setattr, Controller, NAME, Controller._get_new_state_after_events)
        setattr(Controller, NAME, getattr(Controller._get_new_state_after_events, "by_synapse", Controller._get_new_state_after_events))

    async def after(self, *events: tuple[Any, EventContext]) -> Any:
        fake = SimpleNamespace(main_store=SimpleNamespace(_get_state_group_for_events=groups))
        return await Controller._get_new_state_after_events(fake, ROOM, events, {BEFORE}, {"$honest"})  # type: ignore[arg-type]

    async def test_an_honest_event_is_stored_beside_one_that_is_rejected(self) -> None:
        batch = (stored("$rejected", 7, "auth_error"), stored("$honest", 7))
        with self.assertRaisesRegex(RuntimeError, "state_group of rejected event"):
            await self.after(*batch)
        keep_honest_events()
        self.assertEqual(await self.after(*batch), (None, None, {"$honest"}))

    async def test_nothing_else_changes_and_once_is_enough(self) -> None:
        alone = await self.after(stored("$honest", 7))
        keep_honest_events()
        mended = Controller._get_new_state_after_events
        keep_honest_events()
        self.assertIs(Controller._get_new_state_after_events, mended)
        self.assertEqual(await self.after(stored("$honest", 7)), alone)

    def test_a_synapse_that_does_it_elsewhere_is_left_alone(self) -> None:
        other = SimpleNamespace()
        keep_honest_events(other)
        self.assertFalse(hasattr(other, NAME))


def fetched(*, is_refused: bool) -> Any:
    written = {"type": "m.room.message", "sender": "@eve:e", "room_id": ROOM, "content": {"body": "in clear"}, "depth": 1, "origin_server_ts": 1}
    event = make_event_from_dict({**written, "auth_events": [], "prev_events": [], "hashes": {"sha256": ""}, "signatures": {}, "unsigned": {}}, RoomVersions.V11)
    if is_refused:
        event.internal_metadata.soft_failed = True
        event.internal_metadata.policy_server_spammy = True
    return SimpleNamespace(_get_pdu_cache={"$fetched": (event, "e")}, _clock=None, pdu_destination_tried={})


class RefusedTests(TestCase):
    def setUp(self) -> None:
        self.addCleanup(setattr, FederationClient, FETCH, FederationClient.get_pdu)
        setattr(FederationClient, FETCH, getattr(FederationClient.get_pdu, "by_synapse", FederationClient.get_pdu))

    async def metadata(self, client: Any) -> Any:
        pulled = await FederationClient.get_pdu(client, ["e"], "$fetched", RoomVersions.V11)
        assert pulled is not None
        return pulled.pdu.internal_metadata

    async def test_what_the_policy_server_refused_stays_refused_when_it_is_fetched_by_itself(self) -> None:
        client = fetched(is_refused=True)
        self.assertFalse((await self.metadata(client)).is_soft_failed())
        keep_refused()
        keep_refused()
        metadata = await self.metadata(client)
        self.assertTrue(metadata.is_soft_failed())
        self.assertTrue(metadata.policy_server_spammy)

    async def test_what_it_let_pass_is_as_ever_and_a_copy_still(self) -> None:
        keep_refused()
        client = fetched(is_refused=False)
        metadata = await self.metadata(client)
        self.assertFalse(metadata.is_soft_failed())
        metadata.outlier = True
        self.assertFalse(client._get_pdu_cache["$fetched"][0].internal_metadata.is_outlier())

    async def test_a_synapse_that_keeps_what_it_judged_elsewhere_fetches_as_it_does(self) -> None:
        async def other(self: Any, destinations: Any, event_id: str) -> str:
            return event_id

        owner = SimpleNamespace(get_pdu=other)
        keep_refused(owner)
        with self.assertLogs("aceso_module.mend", "WARNING") as said:
            self.assertEqual(await owner.get_pdu(SimpleNamespace(), ["e"], "$fetched"), "$fetched")
        self.assertIn(JUDGED, said.output[0])
