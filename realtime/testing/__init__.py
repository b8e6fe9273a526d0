"""The public test kit: an engine without sockets or time, and the suites that layers must pass.

    node = ManualNode(Namespace(name="chat", allow_subscribe_for_client=True))
    alice = await node.connect("alice")
    await alice.subscribe("chat:lobby")
    await node.publish("chat:lobby", b'"hello"')
    assert alice.received_data() == [b'"hello"']

Clock, ids, randomness and the hub's scheduler are run by hand, so a test needs no waiting. The
contract suites (layers.py, presence.py) are not imported here: they alone need pytest.
"""

from realtime.testing.client import FakeClient
from realtime.testing.clock import ManualClock
from realtime.testing.connection import FakeConnection, TransparentCodec
from realtime.testing.node import ManualNode
from realtime.testing.rules import RulesKit
from realtime.testing.scheduler import ManualScheduler
from realtime.testing.sleep import ManualSleep

__all__ = [
    "FakeClient",
    "FakeConnection",
    "ManualClock",
    "ManualNode",
    "ManualScheduler",
    "ManualSleep",
    "RulesKit",
    "TransparentCodec",
]
