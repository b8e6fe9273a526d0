"""Scripts and how a server knows them."""

import pytest
import redis

from realtime.layers import redis_log
from realtime.redis.script import Script


def test_its_digest_is_the_name_that_redis_gives_it(redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as client:
        for script in (redis_log.PUBLISH, redis_log.HISTORY):
            assert client.script_load(script.source) == script.digest


def test_several_files_make_one_script_in_their_order() -> None:
    script = Script.load("log.lua", "history.lua")

    assert script.source.index(b"local function open_log") < script.source.index(b"open_log(meta, log, ")
    assert script == Script.load("log.lua", "history.lua")
    assert script != Script.load("history.lua", "log.lua")


def test_a_server_that_has_not_seen_it_gets_its_source() -> None:
    script = Script.of(b"return 1")

    assert script.begin(is_known=False) == ("EVAL", b"return 1")
    assert script.begin(is_known=True) == ("EVALSHA", "e0e1f9fabfc9d4800c877a703b823ac0578ff8db")


def test_a_file_that_is_not_there_is_named() -> None:
    with pytest.raises(FileNotFoundError, match=r"nosuch\.lua"):
        Script.load("nosuch.lua")
