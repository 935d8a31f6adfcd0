"""The callbacks: what they ask, and what they never ask."""

import tempfile
from types import SimpleNamespace
from typing import Any

from synapse.module_api import NOT_SPAM
from synapse.module_api.errors import ConfigError, SynapseError
from twisted.internet.defer import ensureDeferred
from twisted.trial.unittest import TestCase

from aceso_module import AcesoModule
from aceso_module.settings import Settings, read_settings
from aceso_module.verdict import AWAY, Verdict

GUARDIAN, COURIER, BOB, CY, ROOM = "@aceso_guardian:x", "@aceso_courier:x", "@bob:x", "@cy:x", "!r"
REFUSED = Verdict(allowed=False, rule="some-rule", text="Do that instead.")


class FakeApi:
    def __init__(self) -> None:
        self.registered: set[str] = set()
        self.joined: list[tuple[str, ...]] = []
        self.state: dict[tuple[str, str], Any] = {}

    def register_spam_checker_callbacks(self, **callbacks: Any) -> None:
        self.registered |= set(callbacks)

    register_third_party_rules_callbacks = register_spam_checker_callbacks

    async def get_room_state(self, room: str, keys: list[tuple[str, str]]) -> dict[tuple[str, str], Any]:
        return {key: event for key, event in self.state.items() if key in keys}

    async def update_room_membership(self, *change: str) -> None:
        self.joined.append(change)

    def run_as_background_process(self, _: str, function: Any, *args: Any) -> None:
        ensureDeferred(function(*args))


class FakeAceso:
    def __init__(self, verdict: Verdict) -> None:
        self.verdict, self.asked = verdict, []

    async def ask(self, about: str, question: Any) -> Verdict:
        self.asked.append((about, question))
        return self.verdict


def event(kind: str, sender: str, content: dict[str, Any] | None = None, key: str | None = None) -> Any:
    content = content or {}
    whole = {"type": kind, "sender": sender, "content": content, "origin_server_ts": 1, "prev_events": ["$p"], **({} if key is None else {"state_key": key})}
    return SimpleNamespace(type=kind, sender=sender, content=content, state_key=key, room_id=ROOM, membership=content.get("membership"), get_dict=lambda: whole, room_version=SimpleNamespace(identifier="12"))


CREATED = {("m.room.create", ""): event("m.room.create", GUARDIAN, {}, "")}
PHI = {**CREATED, ("org.aceso.template", ""): event("org.aceso.template", GUARDIAN, {"id": "results"}, ""), ("m.room.member", BOB): event("m.room.member", BOB, {"membership": "join"}, BOB)}


class ModuleTests(TestCase):
    def module(self, verdict: Verdict = REFUSED) -> tuple[AcesoModule, FakeAceso, FakeApi]:
        api, aceso = FakeApi(), FakeAceso(verdict)
        module = AcesoModule(Settings(url="http://127.0.0.1:1", token="t" * 40, ca_file=None, guardian=GUARDIAN, courier=COURIER), api)  # type: ignore[arg-type]
        module._aceso = aceso  # type: ignore[assignment]
        return module, aceso, api

    async def test_asks_about_an_event_of_a_room_for_phi_and_tells_no_more_of_the_room_than_is_needed(self) -> None:
        module, aceso, _ = self.module()
        refused = await self.assertFailure_(module.check_event_allowed(event("m.room.message", BOB, {"body": "K"}), PHI))
        self.assertEqual((refused.code, refused.msg, refused.errcode), (403, "Do that instead.", "M_FORBIDDEN"))
        self.assertEqual(aceso.asked, [("event", {
            "event": {"room_id": ROOM, "type": "m.room.message", "sender": BOB, "content": {"body": "K"}, "origin_server_ts": 1},
            "room": {"version": "12", "creator": GUARDIAN, "template": {"sender": GUARDIAN, "content": {"id": "results"}}, "members": {BOB: {"membership": "join", "by": BOB}}},
        })])

    async def test_never_asks_what_must_not_be_held_up(self) -> None:
        module, aceso, _ = self.module(AWAY)
        leave = event("m.room.member", BOB, {"membership": "leave"}, BOB)
        for each, state in ((leave, PHI), (leave, CREATED), (event("m.room.message", BOB), CREATED), (event("m.room.name", GUARDIAN, {}, ""), PHI)):
            self.assertEqual(await module.check_event_allowed(each, state), (True, None))
        self.assertIs(await module.check_login_for_spam(BOB, None, None, []), NOT_SPAM)
        self.assertEqual(aceso.asked, [])

    async def test_asks_about_invitations_into_any_room_and_about_whom_somebody_removes(self) -> None:
        module, aceso, _ = self.module()
        await self.assertFailure_(module.check_event_allowed(event("m.room.member", BOB, {"membership": "invite"}, CY), CREATED))
        await self.assertFailure_(module.check_event_allowed(event("m.room.member", BOB, {"membership": "leave"}, CY), PHI))
        self.assertEqual([about for about, _ in aceso.asked], ["event", "event"])

    async def test_takes_the_reason_out_of_a_departure(self) -> None:
        module, _, _ = self.module(AWAY)
        allowed, changed = await module.check_event_allowed(event("m.room.member", BOB, {"membership": "leave", "reason": "K 6.8"}, BOB), PHI)
        self.assertEqual((allowed, (changed or {})["content"]), (True, {"membership": "leave"}))

    async def test_makes_a_room_with_what_aceso_says_alone_and_asks_for_administrators_too(self) -> None:
        requester = SimpleNamespace(user=SimpleNamespace(to_string=lambda: BOB))
        module, aceso, _ = self.module(Verdict(allowed=True, rule="direct-room", room={"room_version": "12"}))
        config = {"name": "Quintana", "invite": [CY]}
        await module.on_create_room(requester, config, True)
        self.assertEqual((config, len(aceso.asked)), ({"room_version": "12"}, 1))
        module, _, _ = self.module(AWAY)
        self.assertEqual((await self.assertFailure_(module.on_create_room(requester, {}, True))).code, 503)

    async def test_asks_about_joining_uninvited_a_room_that_this_server_is_not_in(self) -> None:
        module, aceso, api = self.module()
        self.assertIs(await module.user_may_join_room(BOB, ROOM, True), NOT_SPAM)
        api.state = dict(CREATED)
        self.assertIs(await module.user_may_join_room(BOB, ROOM, False), NOT_SPAM)
        api.state = {}
        code, fields = await module.user_may_join_room(BOB, ROOM, False)
        self.assertEqual((code, fields["error"], [about for about, _ in aceso.asked]), ("M_FORBIDDEN", "Do that instead.", ["join"]))

    async def test_has_the_guardian_join_what_it_is_invited_to_from_a_template(self) -> None:
        module, _, api = self.module()
        invited = {("m.room.member", GUARDIAN): event("m.room.member", BOB, {"membership": "invite"}, GUARDIAN)}
        await module.on_new_event(event("m.room.message", BOB), {**CREATED, **invited})
        self.assertEqual(api.joined, [])
        await module.on_new_event(event("m.room.message", BOB), {**PHI, **invited})
        self.assertEqual(api.joined, [(GUARDIAN, GUARDIAN, ROOM, "join")])

    async def test_lets_nobody_log_in_as_aceso(self) -> None:
        module, _, _ = self.module()
        for user in (GUARDIAN, COURIER):
            self.assertEqual((await module.check_login_for_spam(user, None, None, []))[0], "M_FORBIDDEN")

    async def assertFailure_(self, asked: Any) -> SynapseError:
        try:
            await asked
        except SynapseError as failure:
            return failure
        raise AssertionError("it was let pass")


class SettingsTests(TestCase):
    def config(self, **changes: Any) -> dict[str, Any]:
        file = tempfile.NamedTemporaryFile("w", suffix="token")
        self.addCleanup(file.close)
        file.write("t" * 43 + "\n")
        file.flush()
        return {"url": "http://127.0.0.1:9100/", "token_file": file.name, "guardian": GUARDIAN, "courier": COURIER, **changes}

    def test_are_read(self) -> None:
        settings = read_settings(self.config())
        self.assertEqual((settings.url, settings.token, settings.guardian), ("http://127.0.0.1:9100", "t" * 43, GUARDIAN))
        self.assertEqual(read_settings(self.config(url="http+inside://aceso:9100")).url, "http://aceso:9100")

    def test_stop_the_start_when_they_are_wrong_and_say_what_to_mend(self) -> None:
        for changes, words in ({"url": "http://aceso.mercy.example:9100"}, "https://"), ({"token_file": "/nowhere"}, "token_file"), ({"token_file": "/dev/null"}, "no token"), ({"guardian": "guardian"}, "Matrix id"), ({"tokn": 1}, "tokn"), ({"courier": None}, "courier"):
            self.assertIn(words, str(self.assertRaises(ConfigError, read_settings, self.config(**changes))))
        self.assertRaises(ConfigError, read_settings, None)
