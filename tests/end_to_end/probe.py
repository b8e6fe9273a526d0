"""A Django app for tests only: RPC methods that clients call. Its views are probe_urls.py.

A server has it when it runs with tests.end_to_end.settings_probe.
"""

import asyncio
import os
from collections import defaultdict
from typing import Any

import msgspec
from django.apps import AppConfig

from realtime.caller import Caller
from realtime.errors import CommandError, ErrorCode
from realtime.messages import Publication
from realtime.rpc import methods
from realtime.runtime import get_runtime
from realtime.session import Session
from realtime.topics.name import TopicName
from realtime.topics.namespace import Namespace
from realtime.topics.registry import namespaces


class ProbeConfig(AppConfig):
    name = "tests.end_to_end.probe"
    label = "probe"

    def ready(self) -> None:
        for function in (echo, add, whoami, process, crash, refuse, hold, release, received):
            methods.register(f"probe.{function.__name__}")(function)
        for action in (subscribe_me, unsubscribe_me, message_me, refresh_me, lose_position):
            methods.register(f"probe.{action.__name__}")(action)
        methods.on_message(keep)
        namespaces.register(Namespace(name="held", can_subscribe=may_enter_once_released))


# ── RPC ───────────────────────────────────────────────────────────────────────────────────────


class Addends(msgspec.Struct):
    a: int
    b: int


class InTopic(msgspec.Struct):
    topic: str


# Key → set once somebody has released it.
_released: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)
_kept: dict[str, list[Any]] = {}


def echo(caller: Caller, data: Any) -> Any:
    return data


async def add(caller: Caller, data: Addends) -> dict[str, int]:
    return {"sum": data.a + data.b}


def whoami(caller: Caller, data: None) -> dict[str, Any]:
    info = msgspec.json.decode(caller.info) if caller.info else None
    return {"user": caller.user, "client": caller.client, "info": info}


def process(caller: Caller, data: None) -> int:
    """Which process serves the caller."""
    return os.getpid()


def crash(caller: Caller, data: Any) -> None:
    raise RuntimeError("as tests want it")


def refuse(caller: Caller, data: Any) -> None:
    raise CommandError(ErrorCode.PERMISSION_DENIED, "as tests want it")


async def hold(caller: Caller, data: str) -> str:
    """Does not return before somebody calls probe.release with the same text."""
    await _released[data].wait()
    return "released"


async def release(caller: Caller, data: str) -> str:
    _released[data].set()
    return "done"


async def may_enter_once_released(caller: Caller, topic: TopicName) -> bool:
    """The rule of held:…; until its answer, the client's later commands wait."""
    await _released[topic.key].wait()
    return True


async def keep(caller: Caller, data: Any) -> None:
    """What clients send without an id."""
    _kept.setdefault(caller.client, []).append(data)


async def received(caller: Caller, data: None) -> list[Any]:
    """What this client has sent so."""
    return _kept.pop(caller.client, [])


# ── RPC: have the server do something to the caller ───────────────────────────────────────────


def _session_of(caller: Caller) -> Session:
    [session] = [each for each in get_runtime().sessions if _is_of(each, caller)]
    assert isinstance(session, Session)
    return session


def _is_of(session: object, caller: Caller) -> bool:
    return isinstance(session, Session) and session.caller.client == caller.client


async def subscribe_me(caller: Caller, data: InTopic) -> str:
    _session_of(caller).subscribe(data.topic)
    return "soon"


async def unsubscribe_me(caller: Caller, data: InTopic) -> str:
    _session_of(caller).unsubscribe(data.topic)
    return "soon"


async def message_me(caller: Caller, data: Any) -> str:
    _session_of(caller).send_message(msgspec.json.encode(data))
    return "sent"


async def refresh_me(caller: Caller, data: float) -> str:
    """The caller's connection ends at `data`, in Unix seconds."""
    _session_of(caller).refresh(data)
    return "soon"


async def lose_position(caller: Caller, data: InTopic) -> str:
    """As if this process had missed publications of the topic: the next offset it sees is too high."""
    runtime = get_runtime()
    route = runtime.hub._routes[data.topic]
    late = Publication(data=msgspec.Raw(b"{}"), offset=route.offset + 5)
    runtime.hub.receive(data.topic, late, route.epoch)
    return "soon"
