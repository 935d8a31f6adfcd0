"""The callbacks: what is asked, what is settled here, and what is never held up."""

import logging
from collections.abc import Mapping
from typing import Any

from synapse.module_api import NOT_SPAM, EventBase, ModuleApi, StateMap
from twisted.internet import reactor

from .client import Aceso
from .mend import keep_honest_events, keep_refused
from .settings import Settings, read_settings
from .verdict import OWN_LOGIN

logger = logging.getLogger(__name__)

TEMPLATE = ("org.aceso.template", "")
CREATE = ("m.room.create", "")
MEMBER = "m.room.member"

JsonDict = dict[str, Any]


class AcesoModule:
    """
    `on_create_room` and `check_event_allowed` are asked of everybody: Synapse spares its administrators the spam-checker callbacks `user_may_create_room`,
    `user_may_invite` and `user_may_join_room`, but not these. `check_event_for_spam` isn't used: what it refuses of another server is hidden for ever, and a
    message that came while Aceso was away would be lost.
    """

    def __init__(self, config: Settings, api: ModuleApi) -> None:
        keep_honest_events()
        keep_refused()
        self._api = api
        self._guardian = config.guardian
        self._own = {config.guardian, config.courier}
        self._aceso = Aceso(config, reactor)
        self._joining: set[str] = set()
        api.register_third_party_rules_callbacks(
            on_create_room=self.on_create_room,
            check_event_allowed=self.check_event_allowed,
            on_new_event=self.on_new_event,
        )
        api.register_spam_checker_callbacks(
            user_may_join_room=self.user_may_join_room,
            federated_user_may_invite=self.federated_user_may_invite,
            user_may_publish_room=self.user_may_publish_room,
            user_may_create_room_alias=self.user_may_create_room_alias,
            check_login_for_spam=self.check_login_for_spam,
        )

    @staticmethod
    def parse_config(config: object) -> Settings:
        return read_settings(config)

    async def on_create_room(self, requester: Any, config: JsonDict, is_requester_admin: bool) -> None:
        user = requester.user.to_string()
        if user == self._guardian:
            return
        verdict = await self._aceso.ask("create-room", {"user": user, "room": config})
        if not verdict.allowed:
            raise verdict.error()
        # What the client asked for is never taken as it came.
        config.clear()
        config.update(verdict.room or {})

    async def check_event_allowed(self, event: EventBase, state: StateMap[EventBase]) -> tuple[bool, JsonDict | None]:
        if event.sender == self._guardian:
            return True, None
        template = state.get(TEMPLATE)
        if _is_leave(event):
            # Nobody is kept in a room. The reason is in clear: it stays out of rooms for PHI.
            return True, _without_reason(event) if template is not None and event.content.get("reason") else None
        if template is None and not _is_invite(event):
            return True, None
        verdict = await self._aceso.ask("event", {"event": _event(event), "room": _room(event, state)})
        if not verdict.allowed:
            raise verdict.error()
        return True, None

    async def on_new_event(self, event: EventBase, state: StateMap[EventBase]) -> None:
        """Has the guardian join the rooms that people made from a template: at once, and again at the next event if that failed."""
        guardian = state.get((MEMBER, self._guardian))
        if guardian is None or guardian.membership != "invite" or TEMPLATE not in state or event.room_id in self._joining:
            return
        self._joining.add(event.room_id)
        # Not awaited: whoever makes the room holds its lock.
        self._api.run_as_background_process("aceso_guardian_joins", self._join, event.room_id)

    async def _join(self, room_id: str) -> None:
        try:
            await self._api.update_room_membership(self._guardian, self._guardian, room_id, "join")
        except Exception as failure:
            logger.warning("aceso.guardian-not-joined room=%s why=%s", room_id, type(failure).__name__)
        finally:
            self._joining.discard(room_id)

    async def user_may_join_room(self, user: str, room: str, is_invited: bool) -> Any:
        # Here it is about rooms of other servers; of those that this one is in, the join is an event, and asked about as such.
        if user == self._guardian or is_invited or await self._knows(room):
            return NOT_SPAM
        return await self._checked("join", {"user": user, "roomId": room})

    async def federated_user_may_invite(self, event: EventBase) -> Any:
        return await self._checked("invite-in", {"sender": event.sender, "target": event.state_key, "roomId": event.room_id})

    async def user_may_publish_room(self, user: str, room: str) -> Any:
        state = await self._api.get_room_state(room, [TEMPLATE])
        return await self._checked("publish", {"user": user, "roomId": room, "template": TEMPLATE in state})

    async def user_may_create_room_alias(self, user: str, alias: Any) -> Any:
        if user == self._guardian:
            return NOT_SPAM
        return await self._checked("alias", {"user": user})

    async def check_login_for_spam(self, user: str, device: str | None, name: str | None, request: Any, provider: str | None = None) -> Any:
        # Asked of nobody: who can't log in can't read a result either, and who they are is the identity provider's to say.
        return OWN_LOGIN.refusal() if user in self._own else NOT_SPAM

    async def _checked(self, about: str, question: Mapping[str, Any]) -> Any:
        verdict = await self._aceso.ask(about, question)
        return NOT_SPAM if verdict.allowed else verdict.refusal()

    async def _knows(self, room: str) -> bool:
        return CREATE in await self._api.get_room_state(room, [CREATE])


def _is_leave(event: EventBase) -> bool:
    return bool(event.type == MEMBER and event.membership == "leave" and event.sender == event.state_key)


def _is_invite(event: EventBase) -> bool:
    return bool(event.type == MEMBER and event.membership == "invite")


def _without_reason(event: EventBase) -> JsonDict:
    changed: JsonDict = event.get_dict()
    changed["content"] = {key: value for key, value in event.content.items() if key != "reason"}
    return changed


def _event(event: EventBase) -> JsonDict:
    """As Aceso judges it: what is signed and hashed later, by this server, isn't there yet."""
    whole = event.get_dict()
    kept = ("type", "sender", "state_key", "content", "origin_server_ts", "redacts")
    return {"room_id": event.room_id, **{key: whole[key] for key in kept if key in whole}}


def _room(event: EventBase, state: StateMap[EventBase]) -> JsonDict:
    """What the rules ask of the room, as it was before the event: no more of it than that."""
    create, template = state.get(CREATE), state.get(TEMPLATE)
    people = {event.sender, event.state_key if event.type == MEMBER else None}
    members = {user: state.get((MEMBER, user)) for user in people if user is not None}
    return {
        "version": event.room_version.identifier,
        "creator": None if create is None else create.sender,
        "template": None if template is None else {"sender": template.sender, "content": dict(template.get_dict()["content"])},
        "members": {user: {"membership": member.membership, "by": member.sender} for user, member in members.items() if member is not None},
    }
