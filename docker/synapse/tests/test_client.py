"""The client against servers that fail in every way: whatever happens, nothing is let pass."""

import json
import logging
from typing import Any

from twisted.internet import defer, reactor
from twisted.trial.unittest import TestCase
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Site

from aceso_module.client import Aceso
from aceso_module.settings import Settings
from aceso_module.verdict import AWAY

TOKEN = "t" * 40
QUESTION = {"event": {"content": {"body": "K 6.8 of Quintana"}}}


class Scripted(Resource):
    isLeaf = True

    def __init__(self, status: int, body: bytes) -> None:
        super().__init__()
        self.status, self.body, self.seen, self.peers = status, body, [], set()

    def render_POST(self, request: Any) -> Any:
        self.seen.append((request.path, request.getHeader("authorization"), json.loads(request.content.read())))
        self.peers.add(request.client.port)
        request.setResponseCode(self.status)
        return self.body


class Silent(Resource):
    isLeaf = True

    def render_POST(self, request: Any) -> Any:
        return NOT_DONE_YET


class ClientTests(TestCase):
    timeout = 10

    def serve(self, resource: Resource) -> tuple[int, Any]:
        port = reactor.listenTCP(0, Site(resource), interface="127.0.0.1")
        self.addCleanup(lambda: defer.maybeDeferred(port.stopListening))
        return port.getHost().port, port

    def client(self, port: int, deadline: float = 2.0) -> Aceso:
        settings = Settings(url=f"http://127.0.0.1:{port}", token=TOKEN, ca_file=None, guardian="@g:x", courier="@c:x")
        client = Aceso(settings, reactor, deadline)
        self.addCleanup(lambda: defer.ensureDeferred(client.close()))
        return client

    async def test_passes_on_what_aceso_allows_and_keeps_its_connection(self) -> None:
        server = Scripted(200, b'{"allowed": true, "rule": "encrypted", "revision": "r"}')
        client = self.client(self.serve(server)[0])
        for _ in range(3):
            verdict = await client.ask("event", QUESTION)
            self.assertEqual((verdict.allowed, verdict.rule), (True, "encrypted"))
        self.assertEqual(server.seen[0], (b"/_aceso/module/v1/event", f"Bearer {TOKEN}", QUESTION))
        self.assertEqual(len(server.peers), 1)

    async def test_passes_on_the_words_of_a_refusal(self) -> None:
        client = self.client(self.serve(Scripted(200, b'{"allowed": false, "rule": "clear-text", "error": "Encrypt it.", "revision": "r"}'))[0])
        verdict = await client.ask("event", QUESTION)
        self.assertEqual((verdict.allowed, verdict.text, verdict.status), (False, "Encrypt it.", 403))
        self.assertEqual(verdict.refusal()[1], {"error": "Encrypt it.", "org.aceso.rule": "clear-text", "org.aceso.policy_revision": "r"})

    async def test_refuses_what_is_no_answer(self) -> None:
        answers = [(500, b'{"allowed": true, "rule": "x"}'), (503, b""), (401, b"{}"), (200, b""), (200, b"OK"), (200, b"[]"), (200, b"{}"), (200, b'{"allowed": "yes", "rule": "x"}'), (200, b'{"allowed": true}'), (200, b'{"allowed": false, "rule": "x"}'), (200, b'{"allowed": true, "rule": "x", "room": 1}'), (200, b"\xff\xfe")]
        for status, body in answers:
            client = self.client(self.serve(Scripted(status, body))[0])
            self.assertEqual(await client.ask("event", QUESTION), AWAY, (status, body))

    async def test_refuses_when_nobody_listens(self) -> None:
        port, listening = self.serve(Silent())
        await defer.maybeDeferred(listening.stopListening)
        self.assertEqual(await self.client(port).ask("event", QUESTION), AWAY)

    async def test_refuses_after_its_deadline(self) -> None:
        client = self.client(self.serve(Silent())[0], deadline=0.2)
        began = reactor.seconds()
        self.assertEqual(await client.ask("event", QUESTION), AWAY)
        self.assertLess(reactor.seconds() - began, 1.5)

    async def test_goes_on_after_aceso_was_restarted(self) -> None:
        answer = b'{"allowed": true, "rule": "encrypted"}'
        port, listening = self.serve(Scripted(200, answer))
        client = self.client(port)
        self.assertTrue((await client.ask("event", QUESTION)).allowed)
        await defer.maybeDeferred(listening.stopListening)
        again = reactor.listenTCP(port, Site(Scripted(200, answer)), interface="127.0.0.1")
        self.addCleanup(lambda: defer.maybeDeferred(again.stopListening))
        self.assertTrue((await client.ask("event", QUESTION)).allowed)

    async def test_logs_no_content(self) -> None:
        with self.assertLogs("aceso_module.client", logging.DEBUG) as logs:
            await self.client(self.serve(Scripted(500, b"K 6.8 of Quintana"))[0]).ask("event", QUESTION)
        self.assertNotIn("Quintana", "\n".join(logs.output))
        self.assertIn("about=event why=ValueError", logs.output[0])
