"""A client of a ManualNode: one method per command, each giving back the reply."""

import itertools

from msgspec import Raw

from realtime.errors import CloseCode
from realtime.messages import (
    EMPTY,
    Command,
    ConnectRequest,
    HistoryRequest,
    PresenceRequest,
    PresenceStatsRequest,
    Publication,
    PublishRequest,
    Push,
    RefreshRequest,
    Reply,
    RpcRequest,
    SendRequest,
    SubRefreshRequest,
    SubscribeRequest,
    UnsubscribeRequest,
)
from realtime.node import Node
from realtime.session import Session
from realtime.testing.connection import FakeConnection, TransparentCodec


class FakeClient:
    """`connection` has all that was received; `session` is the engine's side of it."""

    def __init__(self, node: Node, codec: TransparentCodec, *, login_key: str = "") -> None:
        self.connection = FakeConnection(codec)
        self.session = Session(node=node, connection=self.connection, login_key=login_key)
        self.session.open()
        self._ids = itertools.count(1)

    # ── Commands: None is returned where no reply came ────────────────────────────────────────

    async def command(self, command: Command) -> Reply | None:
        """Gives the command the next id where it has none (`send` has none), runs it, and the jobs."""
        if command.send is None:
            command.id = command.id or next(self._ids)
        return await self.handle(command)

    async def handle(self, command: Command) -> Reply | None:
        """The command as it is."""
        before = len(self.connection.received)
        await self.session.handle(command)
        await self.connection.run_jobs()
        answers = [
            reply for reply in self.connection.received[before:] if reply.id and reply.id == command.id
        ]
        if len(answers) > 1:
            raise AssertionError(
                f"got {len(answers)} replies to one command, expected at most one: {answers}"
            )
        return answers[0] if answers else None

    async def connect(
        self, token: str = "", *, subs: dict[str, SubscribeRequest] | None = None
    ) -> Reply | None:
        return await self.command(Command(connect=ConnectRequest(token=token, subs=subs or {})))

    async def subscribe(
        self,
        topic: str,
        *,
        token: str = "",
        recover: bool = False,
        offset: int = 0,
        epoch: str = "",
        positioned: bool = False,
        recoverable: bool = False,
        join_leave: bool = False,
        tf: Raw = EMPTY,
        flag: int = 0,
    ) -> Reply | None:
        request = SubscribeRequest(
            channel=topic,
            token=token,
            recover=recover,
            offset=offset,
            epoch=epoch,
            positioned=positioned,
            recoverable=recoverable,
            join_leave=join_leave,
            tf=tf,
            flag=flag,
        )
        return await self.command(Command(subscribe=request))

    async def unsubscribe(self, topic: str) -> Reply | None:
        return await self.command(Command(unsubscribe=UnsubscribeRequest(channel=topic)))

    async def publish(self, topic: str, data: bytes) -> Reply | None:
        return await self.command(Command(publish=PublishRequest(channel=topic, data=Raw(data))))

    async def history(self, request: HistoryRequest) -> Reply | None:
        return await self.command(Command(history=request))

    async def presence(self, topic: str) -> Reply | None:
        return await self.command(Command(presence=PresenceRequest(channel=topic)))

    async def presence_stats(self, topic: str) -> Reply | None:
        return await self.command(Command(presence_stats=PresenceStatsRequest(channel=topic)))

    async def rpc(self, method: str, data: bytes = b"") -> Reply | None:
        return await self.command(Command(rpc=RpcRequest(method=method, data=Raw(data))))

    async def send(self, data: bytes) -> Reply | None:
        return await self.command(Command(send=SendRequest(data=Raw(data))))

    async def refresh(self, token: str) -> Reply | None:
        return await self.command(Command(refresh=RefreshRequest(token=token)))

    async def sub_refresh(self, topic: str, token: str) -> Reply | None:
        return await self.command(Command(sub_refresh=SubRefreshRequest(channel=topic, token=token)))

    async def leave(self) -> None:
        """The socket is gone."""
        if self.connection.close_code is None:
            self.connection.close_code = CloseCode.CLOSED
        await self.session.close()

    # ── What came ─────────────────────────────────────────────────────────────────────────────

    @property
    def pushes(self) -> list[Push]:
        return self.connection.pushes

    @property
    def close_code(self) -> CloseCode | None:
        return self.connection.close_code

    @property
    def id(self) -> str:
        return self.session.caller.client

    def received_publications(self) -> list[Publication]:
        """Of all topics, live ones only: those of a recovery are in the reply."""
        return [push.pub for push in self.pushes if push.pub is not None]

    def received_data(self) -> list[bytes]:
        return [bytes(publication.data) for publication in self.received_publications()]
