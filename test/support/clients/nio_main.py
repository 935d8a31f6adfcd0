"""The program behind `startNioClient`: options as JSON in the first argument, then protocol.ts on standard input and output."""
import asyncio
import json
import os
import sys
import time

from nio import (
    AsyncClient, AsyncClientConfig, EncryptionError, ErrorResponse, Event, InviteMemberEvent, MegolmEvent, MessageDirection, RedactionEvent, SyncResponse,
)

OPTIONS = json.loads(sys.argv[1])
FILTER = {"room": {"timeline": {"limit": 50}}}


def report(kind, **fields):
    sys.stdout.write(json.dumps({"report": kind, **fields}) + "\n")
    sys.stdout.flush()


def checked(response):
    if isinstance(response, ErrorResponse):
        raise RuntimeError(str(response))
    return response


class Person:
    def __init__(self, client):
        self.client = client
        self.reported = set()
        self.waiting = {}  # event id → (room id, event that no key has come for yet)
        self.memberships = {}
        self.keys_lock = asyncio.Lock()
        client.add_event_callback(self.seen, Event)
        client.add_event_callback(self.invited, InviteMemberEvent)

    async def seen(self, room, event):
        if event.sender == self.client.user_id or event.event_id in self.reported:
            return
        if isinstance(event, RedactionEvent):
            report("redaction", eventId=event.redacts, roomId=room.room_id, redactedBy=event.sender)
        elif isinstance(event, MegolmEvent):
            self.waiting[event.event_id] = (room.room_id, event)
            report("undecryptable", eventId=event.event_id, roomId=room.room_id, sender=event.sender, reason=f"no session {event.session_id}")
        elif "state_key" not in event.source and event.source.get("content"):
            self.message(room.room_id, event)

    def message(self, room_id, event):
        self.reported.add(event.event_id)
        content = {**event.source["content"]}
        shield = ("none" if event.verified else "grey") if event.decrypted else "unencrypted"
        report(
            "message", eventId=event.event_id, roomId=room_id, sender=event.sender, type=event.source["type"], content=content,
            wasEncrypted=bool(event.decrypted), shieldColour=shield, shieldReason="UNVERIFIED_DEVICE" if shield == "grey" else None,
            receivedAt=round(time.time() * 1000),
        )

    async def invited(self, room, event):
        if event.membership != "invite" or event.state_key != self.client.user_id:
            return
        report("invitation", roomId=room.room_id, invitedBy=event.sender)
        if OPTIONS.get("joinInvites", True):
            # It is on this server before the inviting one has stored it: who accepts within milliseconds is refused, and tries again.
            for wait in (0, 0.1, 0.3, 1, 3):
                await asyncio.sleep(wait)
                answer = await self.client.join(room.room_id)
                if not isinstance(answer, ErrorResponse):
                    return
                sys.stderr.write(f"{answer}\n")

    def retry_waiting(self):
        for event_id, (room_id, event) in list(self.waiting.items()):
            try:
                decrypted = self.client.decrypt_event(event)
            except EncryptionError:
                continue
            del self.waiting[event_id]
            if isinstance(decrypted, Event):
                self.message(room_id, decrypted)

    async def tend_keys(self):
        """Uploads, queries and claims what the last sync made necessary; one at a time, also when a send needs it."""
        async with self.keys_lock:
            if self.client.should_upload_keys:
                await self.client.keys_upload()
            if self.client.should_query_keys:
                await self.client.keys_query()
            if self.client.should_claim_keys:
                await self.client.keys_claim(self.client.get_users_for_key_claiming())
            await self.client.send_to_device_messages()

    async def sync(self, timeout, full_state=None):
        response = await self.client.sync(timeout=timeout, sync_filter=FILTER, full_state=full_state)
        if not isinstance(response, SyncResponse):
            await asyncio.sleep(0.2)  # the server refused or is away: ask again soon
            return
        for membership, rooms in (("join", response.rooms.join), ("invite", response.rooms.invite), ("leave", response.rooms.leave)):
            for room_id in rooms:
                if self.memberships.get(room_id) != membership:
                    self.memberships[room_id] = membership
                    report("membership", roomId=room_id, membership=membership)
        await self.tend_keys()
        self.retry_waiting()

    async def obey(self, command):
        room_id = command.get("roomId")
        if command["do"] == "send":
            await self.tend_keys()
            sent = checked(await self.client.room_send(room_id, command["type"], command["content"], ignore_unverified_devices=True))
            return {"eventId": sent.event_id}
        if command["do"] == "read":
            checked(await self.client.room_read_markers(room_id, command["eventId"], command["eventId"]))
        elif command["do"] == "join":
            await self.join(room_id, command["via"])
        elif command["do"] == "leave":
            checked(await self.client.room_leave(room_id))
        elif command["do"] == "scrollBack":
            while room_id not in self.client.rooms:  # the room of a join that the server has answered comes with the next sync
                await asyncio.sleep(0.02)
            page = self.client.next_batch
            while page:  # a page that the server hasn't fetched from others yet is short: the next one goes on from there
                history = checked(await self.client.room_messages(room_id, start=page, direction=MessageDirection.back, limit=50))
                for event in reversed(history.chunk):
                    await self.seen(self.client.rooms[room_id], event)
                page = history.end
        elif command["do"] == "logout":
            checked(await self.client.logout())
        return {}

    async def join(self, room_id, via):
        from urllib.parse import quote  # nio's own join can't name servers

        query = "&".join(f"via={quote(server, safe='')}" for server in via)
        path = f"/_matrix/client/v3/join/{quote(room_id, safe='')}?{query}"
        headers = {"Authorization": f"Bearer {self.client.access_token}"}
        async with self.client.client_session.post(OPTIONS["baseUrl"].rstrip("/") + path, json={}, headers=headers) as response:
            if response.status != 200:
                raise RuntimeError(await response.text())

    async def answer(self, line):
        numbered = json.loads(line)
        try:
            report("done", id=numbered["id"], **await self.obey(numbered["command"]))
        except Exception as error:  # whatever it is, the test shall read it
            report("failed", id=numbered["id"], error=f"{type(error).__name__}: {error}")


async def log_in(store):
    config = AsyncClientConfig(encryption_enabled=True, store_sync_tokens=True, request_timeout=40)
    client = AsyncClient(OPTIONS["baseUrl"], OPTIONS["user"], store_path=store, config=config)
    session_file = os.path.join(store, "session.json")
    if os.path.exists(session_file):
        with open(session_file, encoding="utf-8") as file:
            client.restore_login(**json.load(file))
        return client
    checked(await client.login(OPTIONS["password"], device_name=OPTIONS.get("deviceName", "matrix-nio")))
    with open(session_file, "w", encoding="utf-8") as file:
        json.dump({"user_id": client.user_id, "device_id": client.device_id, "access_token": client.access_token}, file)
    return client


async def commands(person):
    reader = asyncio.StreamReader(limit=2**20)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    answers = set()
    while line := await reader.readline():
        task = asyncio.create_task(person.answer(line))
        answers.add(task)
        task.add_done_callback(answers.discard)


async def live(store):
    client = await log_in(store)
    person = Person(client)
    await person.tend_keys()
    await person.sync(timeout=0, full_state=True)
    report("ready", userId=client.user_id, deviceId=client.device_id, accessToken=client.access_token)

    async def syncing():
        while True:
            await person.sync(timeout=30_000)

    work = [asyncio.create_task(syncing()), asyncio.create_task(commands(person))]
    done, _ = await asyncio.wait(work, return_when=asyncio.FIRST_COMPLETED)
    work[0].cancel()
    await client.close()
    for task in done:
        task.result()


os.makedirs(OPTIONS["storeFolder"], exist_ok=True)
asyncio.run(live(OPTIONS["storeFolder"]))
