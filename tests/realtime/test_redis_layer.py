"""The Redis layer while all is well: in which order it is heard, and how its servers are addressed."""

import asyncio
import sys
import textwrap

from msgspec import Raw

from realtime.messages import Publication
from tests.realtime.redis_layers import LONG, MakeLayer, MakeRedis

# ── Order ─────────────────────────────────────────────────────────────────────────────────────


async def test_each_publishers_order_is_kept_among_thousands_in_flight(
    make_redis: MakeRedis, make_layer: MakeLayer
) -> None:
    server = make_redis()
    layer, other = await make_layer(server.url).stand(), await make_layer(server.url).stand()
    await other.subscribe("a")

    async def publish(publisher: int) -> list[int]:
        # Without waiting for one before the next is sent.
        positions = await asyncio.gather(*(layer.say("a", f"{publisher}:{number}") for number in range(100)))
        return [position.offset for position in positions]

    taken = await asyncio.gather(*(publish(publisher) for publisher in range(50)))

    assert all(offsets == sorted(offsets) for offsets in taken)
    assert sorted(offset for offsets in taken for offset in offsets) == list(range(1, 5001))
    received = await other.events.fetch_publications(5000)
    assert [publication.offset for publication in received] == list(range(1, 5001))
    for publisher in range(50):
        mark = b"%d:" % publisher
        own = [bytes(each.data) for each in received if bytes(each.data).startswith(mark)]
        assert own == [b"%d:%d" % (publisher, number) for number in range(100)]


async def test_cancelled_publishers_do_not_shift_the_positions_of_others(
    make_redis: MakeRedis, make_layer: MakeLayer
) -> None:
    layer = await make_layer(make_redis().url).stand()
    tasks = [asyncio.create_task(layer.say("a", number)) for number in range(500)]
    await asyncio.sleep(0)
    for task in tasks[::2]:
        task.cancel()
    await asyncio.wait(tasks)

    log = dict(await layer.log_of("a"))
    for number in range(1, 500, 2):
        assert log[tasks[number].result().offset] == b"%d" % number
    assert sorted(log) == list(range(1, len(log) + 1))


async def test_what_another_connection_publishes_after_a_subscription_is_heard(
    make_redis: MakeRedis, make_layer: MakeLayer
) -> None:
    server = make_redis()
    layer, other = await make_layer(server.url).stand(), await make_layer(server.url).stand()

    for number in range(100):
        await layer.subscribe(f"topic {number}")
        await other.say(f"topic {number}", number)
        received = await layer.events.fetch(number + 1)
        assert received[-1][0] == f"topic {number}"


# ── Addresses ─────────────────────────────────────────────────────────────────────────────────


async def test_an_address_is_given_in_every_way_of_channels_redis(
    make_redis: MakeRedis, make_layer: MakeLayer
) -> None:
    server = make_redis(password="secret")
    server.client().execute_command("ACL", "SETUSER", "app", "on", ">pass", "~*", "&*", "+@all")
    port = server.port
    hosts = (
        server.url,
        {"address": server.url},
        {"address": f"redis://127.0.0.1:{port}", "password": "secret"},
        {"host": "127.0.0.1", "port": port, "username": "app", "password": "pass", "db": 0},
        f"redis://app:pass@127.0.0.1:{port}/0",
    )
    for number, host in enumerate(hosts, 1):
        layer = await make_layer(host).stand()
        assert (await layer.say("a", number)).offset == number
        published = layer.blocking.publish("b", Publication(data=Raw(b"1")), history=LONG)
        assert published.position.offset == number
        layer.blocking.close()


async def test_a_host_and_port_is_an_address(make_redis: MakeRedis, make_layer: MakeLayer) -> None:
    server = make_redis()
    layer = await make_layer(("127.0.0.1", server.port)).stand()

    await layer.say("a", 1)

    assert server.keys() == {"asgi:{t:a}:meta", "asgi:{t:a}:log"}
    assert layer.blocking.publish("a", Publication(data=Raw(b"1")), history=LONG).position.offset == 2
    layer.blocking.close()


async def test_a_database_of_the_server_is_used_by_both(make_redis: MakeRedis, make_layer: MakeLayer) -> None:
    server = make_redis()
    layer = await make_layer(f"redis://127.0.0.1:{server.port}/5").stand()

    await layer.say("a", 1)
    layer.blocking.publish("a", Publication(data=Raw(b"2")), history=LONG)

    assert server.client().info("keyspace") == {"db5": {**server.client().info("keyspace")["db5"], "keys": 2}}
    assert len(await layer.log_of("a")) == 2
    layer.blocking.close()


async def test_a_socket_file_is_an_address(make_redis: MakeRedis, make_layer: MakeLayer) -> None:
    server = make_redis(unix_socket=True, password="secret")
    layer = await make_layer(server.url).stand()
    await layer.subscribe("a")

    await layer.say("a", 1)
    assert layer.blocking.publish("a", Publication(data=Raw(b"2")), history=LONG).position.offset == 2

    await layer.events.fetch(2)
    layer.blocking.close()


async def test_several_servers_share_the_topics_as_the_blocking_side_does(
    make_redis: MakeRedis, make_layer: MakeLayer
) -> None:
    servers = [make_redis(), make_redis(), make_redis()]
    layer = await make_layer(*(server.url for server in servers)).stand()
    topics = [f"topic {number}" for number in range(30)]

    for topic in topics:
        await layer.subscribe(topic)
        await layer.say(topic, 1)
        layer.blocking.publish(topic, Publication(data=Raw(b"2")), history=LONG)

    assert sorted((topic, event.offset) for topic, event, _ in await layer.events.fetch(60)) == sorted(  # type: ignore[union-attr]  # Only publications.
        (topic, offset) for topic in topics for offset in (1, 2)
    )
    assert sum(len(server.keys()) for server in servers) == 60
    layer.blocking.close()


# ── Two processes ─────────────────────────────────────────────────────────────────────────────


async def test_two_processes_hear_each_other(make_redis: MakeRedis, make_layer: MakeLayer) -> None:
    server = make_redis()
    layer = await make_layer(server.url).stand()
    await layer.subscribe("a")
    channel = await layer.new_channel()
    await layer.group_add("people", channel)
    program = """
        import asyncio, sys
        from tests.realtime.redis_layers import Layer

        async def main():
            layer = Layer(sys.argv[1])
            await layer.subscribe("b")
            await layer.say("a", "from the other process")
            await layer.group_send("people", {"type": "greet"})
            await layer.send(sys.argv[2], {"type": "alone"})
            await layer.events.fetch(1)
            await layer.close()

        asyncio.run(main())
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-W", "error", "-c", textwrap.dedent(program), server.url, channel,
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        [(topic, _, _)] = await layer.events.fetch(1)
        async with asyncio.timeout(10):
            received = [(await layer.receive(channel))["type"] for _ in range(2)]
        await layer.say("b", "to the other process")
        async with asyncio.timeout(20):
            _, errors = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()

    assert (topic, received) == ("a", ["greet", "alone"])
    assert (process.returncode, errors) == (0, b"")
