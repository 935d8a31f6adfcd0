"""What Synapse loses without the mend, and keeps with it: its own function, with what it is given when it stores events."""

from types import SimpleNamespace
from typing import Any

from synapse.events.snapshot import EventContext
from synapse.storage.controllers.persist_events import EventsPersistenceStorageController as Controller
from twisted.trial.unittest import TestCase

from aceso_module.mend import NAME, keep_honest_events

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
