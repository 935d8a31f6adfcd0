"""Aceso's answer to one question, and the answer when Aceso gives none."""

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from synapse.module_api.errors import Codes, SynapseError


@dataclass(frozen=True)
class Verdict:
    allowed: bool
    rule: str
    status: int = HTTPStatus.FORBIDDEN
    errcode: str = Codes.FORBIDDEN
    text: str = ""
    """Plain words for the person who was refused."""
    revision: str = ""
    room: Mapping[str, Any] | None = None
    """With what a room is to be made, in place of what the client asked for."""

    @property
    def fields(self) -> dict[str, str]:
        return {"org.aceso.rule": self.rule, "org.aceso.policy_revision": self.revision}

    def error(self) -> SynapseError:
        return SynapseError(int(self.status), self.text, self.errcode, self.fields)

    def refusal(self) -> tuple[Codes, dict[str, str]]:
        """The form that spam-checker callbacks take: their text is Synapse's own unless `error` replaces it."""
        code = next((each for each in Codes if each == self.errcode), Codes.FORBIDDEN)
        return code, {"error": self.text, **self.fields}


# 503: a client offers to try again, and what was to be sent isn't lost.
AWAY = Verdict(
    allowed=False,
    rule="aceso-away",
    status=HTTPStatus.SERVICE_UNAVAILABLE,
    errcode=Codes.UNKNOWN,
    text="This can't be checked at the moment, so it was not done, and nobody has received it. Try again in a moment; if that lasts, tell your IT department that Aceso does not answer.",
)

OWN_LOGIN = Verdict(allowed=False, rule="no-login-as-aceso", text="Nobody logs in as Aceso's own users.")


def read_verdict(answer: object) -> Verdict:
    """Raises ValueError for what is no answer: it counts as none."""
    if not isinstance(answer, dict) or not isinstance(answer.get("allowed"), bool) or not isinstance(answer.get("rule"), str):
        raise ValueError("not a verdict")
    revision = answer.get("revision")
    revision = revision if isinstance(revision, str) else ""
    if answer["allowed"]:
        room = answer.get("room")
        if room is not None and not isinstance(room, dict):
            raise ValueError("not a room")
        return Verdict(allowed=True, rule=answer["rule"], revision=revision, room=room)
    text = answer.get("error")
    if not isinstance(text, str) or text == "":
        raise ValueError("a refusal without a reason")
    return Verdict(allowed=False, rule=answer["rule"], text=text, revision=revision)
