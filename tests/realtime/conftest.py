"""Redis layers that end with the test."""

from collections.abc import AsyncIterator

import pytest

from tests.realtime.redis_layers import Layer, MakeLayer


@pytest.fixture
async def make_layer() -> AsyncIterator[MakeLayer]:
    """make_layer(*hosts, …options): a layer in the test's loop."""
    layers: list[Layer] = []

    def make(*hosts: object, **options: object) -> Layer:
        layers.append(Layer(*hosts, **options))
        return layers[-1]

    yield make
    for layer in layers:
        layer.blocking.close()
        await layer.close()
