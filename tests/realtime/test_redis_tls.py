"""The Redis layer over TLS, as managed servers want it."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from msgspec import Raw

from realtime.errors import LayerUnavailable
from realtime.messages import Publication
from tests.realtime.redis_layers import AWAY_SECONDS, LONG, Layer
from tests.realtime.tls_proxy import TlsProxy
from tests.redis_server import RedisServer


@pytest.fixture
def proxy(redis_server: RedisServer, tmp_path: Path) -> Iterator[TlsProxy]:
    with TlsProxy(redis_server.port, tmp_path) as proxy:
        yield proxy


@pytest.fixture
async def layer(proxy: TlsProxy, redis_prefix: str, request: pytest.FixtureRequest) -> AsyncIterator[Layer]:
    options = {name: str(value).format(proxy=proxy) for name, value in request.param.items()}
    layer = Layer({"address": f"rediss://127.0.0.1:{proxy.port}", **options}, prefix=redis_prefix)
    yield layer
    layer.blocking.close()
    await layer.close()


@pytest.mark.parametrize(
    "layer",
    [
        {"ssl_ca_certs": "{proxy.certificate}"},
        {"address": "rediss://127.0.0.1:{proxy.port}/0?ssl_ca_certs={proxy.certificate}"},
        {"ssl_cert_reqs": "none", "ssl_check_hostname": ""},
    ],
    ids=["option", "in the address", "unchecked"],
    indirect=True,
)
async def test_topics_flow_over_tls(layer: Layer) -> None:
    await layer.stand()
    await layer.subscribe("a")

    offsets = [position.offset for position in await asyncio.gather(*(layer.say("a", n) for n in range(500)))]

    assert offsets == list(range(1, 501))
    await layer.events.fetch(500)
    blocking = await asyncio.to_thread(layer.blocking.publish, "a", Publication(data=Raw(b"1")), history=LONG)
    assert blocking.position.offset == 501
    await layer.remove_history("a")


@pytest.mark.parametrize("layer", [{}], indirect=True)
async def test_a_certificate_of_nobody_known_is_refused(
    layer: Layer, caplog: pytest.LogCaptureFixture
) -> None:
    assert not layer.is_available
    with pytest.raises(LayerUnavailable):
        async with asyncio.timeout(AWAY_SECONDS):
            await layer.say("a", 1)
    with pytest.raises(LayerUnavailable, match="certificate"):
        await asyncio.to_thread(layer.blocking.publish, "a", Publication(data=Raw(b"1")), history=LONG)

    told = [record.message for record in caplog.records if record.levelno == logging.WARNING]
    assert len(told) == 2
    assert all("certificate" in message for message in told)
