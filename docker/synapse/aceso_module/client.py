"""Asks Aceso over HTTP: on connections that are kept, within two seconds, and without ever failing open."""

import json
import logging
from collections.abc import Mapping
from io import BytesIO
from typing import Any

from synapse.module_api import make_deferred_yieldable, run_in_background
from twisted.internet import defer, error, ssl
from twisted.web.client import Agent, BrowserLikePolicyForHTTPS, FileBodyProducer, HTTPConnectionPool, ResponseFailed, readBody
from twisted.web.http_headers import Headers

from .settings import Settings
from .verdict import AWAY, Verdict, read_verdict

logger = logging.getLogger(__name__)

DEADLINE_SECONDS = 2.0
PATH = "/_aceso/module/v1/"
CONNECTIONS = 20
# Aceso closes what is idle for longer than a minute: kept shorter, a question seldom meets a connection that is being closed.
KEEP_SECONDS = 30


class Aceso:
    def __init__(self, settings: Settings, reactor: Any, deadline_seconds: float = DEADLINE_SECONDS) -> None:
        self._url = settings.url + PATH
        self._headers = Headers({"Authorization": [f"Bearer {settings.token}"], "Content-Type": ["application/json"], "User-Agent": ["aceso-module"]})
        self._reactor = reactor
        self._deadline = deadline_seconds
        self._pool = HTTPConnectionPool(reactor, persistent=True)
        self._pool.maxPersistentPerHost = CONNECTIONS
        self._pool.cachedConnectionTimeout = KEEP_SECONDS
        self._agent = Agent(reactor, contextFactory=_trust(settings.ca_file), connectTimeout=deadline_seconds, pool=self._pool)

    async def ask(self, about: str, question: Mapping[str, Any]) -> Verdict:
        """Aceso's verdict; a refusal when there is none in time. Never raises, and logs no content."""
        try:
            asked = run_in_background(self._exchange, about, json.dumps(question).encode())
            asked.addTimeout(self._deadline, self._reactor)
            return read_verdict(json.loads(await make_deferred_yieldable(asked)))
        except Exception as failure:
            logger.warning("aceso.away about=%s why=%s", about, type(failure).__name__)
            return AWAY

    async def close(self) -> None:
        await make_deferred_yieldable(self._pool.closeCachedConnections())

    async def _exchange(self, about: str, body: bytes) -> bytes:
        began = self._reactor.seconds()
        try:
            return await self._once(about, body)
        except (ResponseFailed, error.ConnectionLost, error.ConnectionDone) as failure:
            # What was ended at the deadline comes here too.
            if self._reactor.seconds() - began >= self._deadline:
                raise
            # A kept connection that Aceso closed meanwhile, for example because it was restarted. A question may be asked twice.
            logger.debug("aceso.again why=%s", type(failure).__name__)
            return await self._once(about, body)

    async def _once(self, about: str, body: bytes) -> bytes:
        producer = FileBodyProducer(BytesIO(body))
        response = await make_deferred_yieldable(self._agent.request(b"POST", (self._url + about).encode(), self._headers, producer))
        answer: bytes = await make_deferred_yieldable(defer.maybeDeferred(readBody, response))
        if response.code != 200:
            raise ValueError(f"status {response.code}")
        return answer


def _trust(ca_file: str | None) -> BrowserLikePolicyForHTTPS:
    if ca_file is None:
        return BrowserLikePolicyForHTTPS()
    with open(ca_file, "rb") as file:
        pem = file.read()
    end = b"-----END CERTIFICATE-----"
    certificates = [ssl.Certificate.loadPEM(part + end) for part in pem.split(end) if b"BEGIN CERTIFICATE" in part]
    return BrowserLikePolicyForHTTPS(trustRoot=ssl.trustRootFromCertificates(certificates))
