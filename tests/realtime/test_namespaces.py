"""Options of a namespace: what is refused when the server starts, with a text that helps."""

from collections.abc import Callable
from dataclasses import fields
from typing import Any

import pytest

from realtime.caller import Caller
from realtime.errors import CommandError, ConfigurationError, ErrorCode
from realtime.topics.name import TopicName
from realtime.topics.namespace import HOOKS, OVERRIDABLE, Namespace
from realtime.topics.registry import NamespaceRegistry

FLAGS = [field.name for field in fields(Namespace) if isinstance(field.default, bool)]
NAN, INFINITY = float("nan"), float("inf")


def allow(caller: Caller, topic: TopicName) -> bool:
    return caller.user in topic.key


def refusal_of(build: Callable[[], object]) -> str:
    with pytest.raises(ConfigurationError) as caught:
        build()
    return str(caught.value)


def test_a_namespace_allows_clients_nothing_unless_it_says_so() -> None:
    namespace = Namespace(name="chat")

    assert not any(getattr(namespace, flag) for flag in FLAGS)
    assert not namespace.keeps_history


@pytest.mark.parametrize("flag", FLAGS)
@pytest.mark.parametrize("value", [1, 0, "true", None])
def test_a_flag_that_is_neither_true_nor_false_is_refused(flag: str, value: Any) -> None:
    text = refusal_of(lambda: Namespace(name="chat", **{flag: value}))

    assert text == f"Namespace 'chat': {flag} is {value!r}, expected True or False."


@pytest.mark.parametrize("option", ["history_size", "history_ttl", "history_meta_ttl"])
@pytest.mark.parametrize("value", [-1, "100", None, True, [], NAN, INFINITY])
def test_a_number_that_is_none_is_refused(option: str, value: Any) -> None:
    good: dict[str, Any] = {"history_size": 10, "history_ttl": 60}

    text = refusal_of(lambda: Namespace(name="chat", **{**good, option: value}))

    assert f"Namespace 'chat': {option} is {value!r}, expected a number of" in text
    assert "0 or more" in text


def test_a_history_of_a_part_of_a_publication_is_refused() -> None:
    text = refusal_of(lambda: Namespace(name="chat", history_size=1.5, history_ttl=60))  # type: ignore[arg-type]  # Wrong on purpose.

    assert "history_size is 1.5, expected a whole number." in text


@pytest.mark.parametrize("hook", HOOKS)
def test_a_hook_that_cannot_be_called_is_refused(hook: str) -> None:
    text = refusal_of(lambda: Namespace(name="chat", **{hook: "project.rules.check"}))  # type: ignore[arg-type]  # Wrong on purpose.

    assert f"{hook} is 'project.rules.check', expected a function (or None)." in text


@pytest.mark.parametrize(
    ("option", "value", "expected"),
    [
        ("force_recovery_mode", "snapshot", "expected 'stream' or 'cache'."),
        ("slow_consumer", "drop", "expected 'disconnect' or 'conflate'."),
        ("allowed_delta_types", ["xdelta"], "expected 'fossil'."),
        ("allowed_delta_types", 5, "expected a list"),
        ("channel_regex", "(", "does not compile"),
        ("channel_regex", 5, "expected a text"),
        ("channel_regex", b"[a-z]+", "expected a text"),
    ],
)
def test_a_value_that_is_none_of_those_known_is_refused(option: str, value: Any, expected: str) -> None:
    text = refusal_of(lambda: Namespace.from_options("chat", {option: value}))

    assert text.startswith(f"Namespace 'chat': {option} ")
    assert expected in text


@pytest.mark.parametrize("name", ["a b", "a:b", "chat#", "$chat", "ü", "a\n"])
def test_a_name_that_no_topic_can_have_is_refused(name: str) -> None:
    assert "expected a name of letters, digits and _ . -" in refusal_of(lambda: Namespace(name=name))


@pytest.mark.parametrize(
    ("options", "advice"),
    [
        ({"history_size": 10}, "set both to keep a log, or neither."),
        ({"history_ttl": 10}, "set both to keep a log, or neither."),
        (
            {"history_size": 10, "history_ttl": 100, "history_meta_ttl": 50},
            "make history_meta_ttl larger.",
        ),
        ({"force_recovery": True}, "set history_size and history_ttl."),
        ({"force_positioning": True}, "set history_size and history_ttl."),
        (
            {"history_size": 1, "history_ttl": 1, "force_recovery": True, "slow_consumer": "conflate"},
            "choose one.",
        ),
        (
            {"history_size": 1, "history_ttl": 1, "force_positioning": True, "slow_consumer": "conflate"},
            "choose one.",
        ),
        ({"force_push_join_leave": True}, "set it to True."),
    ],
)
def test_options_that_contradict_each_other_are_refused_with_advice(
    options: dict[str, Any], advice: str
) -> None:
    assert refusal_of(lambda: Namespace.from_options("chat", options)).endswith(advice)


def test_an_unknown_option_is_refused_with_the_one_that_was_meant() -> None:
    assert refusal_of(lambda: Namespace.from_options("chat", {"histroy_size": 5})) == (
        "Namespace 'chat': unknown option 'histroy_size'; did you mean 'history_size'?"
    )


@pytest.mark.parametrize("option", ["xyzzy", "name", 5])
def test_an_option_like_no_other_is_refused_with_those_there_are(option: Any) -> None:
    text = refusal_of(lambda: Namespace.from_options("chat", {option: 5}))

    assert f"unknown option {option!r}; known are history_size, history_ttl" in text


def test_every_option_can_be_set_from_the_settings() -> None:
    options: dict[str, Any] = {field.name: getattr(FULL, field.name) for field in fields(Namespace)}
    del options["name"]

    assert Namespace.from_options("chat", options) == FULL


FULL = Namespace(
    name="chat",
    history_size=100,
    history_ttl=60.5,
    history_meta_ttl=600,
    force_recovery=True,
    force_recovery_mode="cache",
    force_positioning=True,
    presence=True,
    join_leave=True,
    force_push_join_leave=True,
    allow_subscribe_for_client=True,
    allow_subscribe_for_anonymous=True,
    allow_publish_for_client=True,
    allow_publish_for_subscriber=True,
    allow_publish_for_anonymous=True,
    allow_presence_for_client=True,
    allow_presence_for_subscriber=True,
    allow_presence_for_anonymous=True,
    allow_history_for_client=True,
    allow_history_for_subscriber=True,
    allow_history_for_anonymous=True,
    allow_user_limited_channels=True,
    channel_regex="^[a-z]+$",
    allowed_delta_types=("fossil",),
    delta_publish=True,
    allow_tags_filter=True,
    can_subscribe=allow,
    can_publish=allow,
)


@pytest.mark.parametrize("option", OVERRIDABLE)
def test_a_token_may_override_what_is_no_right(option: str) -> None:
    assert getattr(FULL.with_overrides({option: True}), option) is True


def test_an_override_may_turn_an_option_off() -> None:
    assert FULL.with_overrides({"force_recovery": False, "presence": False}).presence is False


@pytest.mark.parametrize("option", ["allow_publish_for_client", "history_size", "can_subscribe", "name", "?"])
def test_a_token_may_not_override_rights_nor_what_is_kept(option: str) -> None:
    text = refusal_of(lambda: FULL.with_overrides({option: True}))

    assert f"override of {option!r}, expected one of presence," in text


def test_an_override_may_not_contradict_the_other_options() -> None:
    namespace = Namespace(name="chat")

    assert "needs a log" in refusal_of(lambda: namespace.with_overrides({"force_recovery": True}))


def test_a_regex_is_looked_for_in_the_key_alone() -> None:
    namespace = Namespace(name="chat", channel_regex="^[a-z]+$")

    assert namespace.matches(TopicName.parse("chat:lobby"))
    assert not namespace.matches(TopicName.parse("chat:Lobby"))
    assert not namespace.matches(TopicName.parse("chat:"))


# ── The registry ──────────────────────────────────────────────────────────────────────────────


def test_a_topic_belongs_to_the_namespace_it_names() -> None:
    registry = NamespaceRegistry()
    chat, plain = registry.register(Namespace(name="chat")), registry.register(Namespace(name=""))

    assert registry.get_for(TopicName.parse("chat:lobby")) is chat
    assert registry.get_for(TopicName.parse("lobby")) is plain
    assert registry.get_for(TopicName.parse("$chat:lobby")) is chat
    assert list(registry) == [chat, plain]


def test_a_name_is_taken_once() -> None:
    registry = NamespaceRegistry()
    registry.register(Namespace(name="chat"))

    text = refusal_of(lambda: registry.register(Namespace(name="chat")))

    assert text == "Namespace 'chat' is registered twice; give one of the two another name."


@pytest.mark.parametrize("topic", ["news:today", "lobby", "$news:today"])
def test_a_topic_of_no_namespace_is_unknown(topic: str) -> None:
    registry = NamespaceRegistry()
    registry.register(Namespace(name="chat"))

    with pytest.raises(CommandError) as caught:
        registry.get_for(TopicName.parse(topic))

    assert caught.value.code is ErrorCode.UNKNOWN_TOPIC


def test_a_topic_that_the_regex_does_not_let_exist_is_a_bad_request() -> None:
    registry = NamespaceRegistry()
    registry.register(Namespace(name="chat", channel_regex="^[a-z]+$"))

    with pytest.raises(CommandError) as caught:
        registry.get_for(TopicName.parse("chat:42"))

    assert caught.value.code is ErrorCode.BAD_REQUEST


def test_a_copy_of_a_registry_goes_its_own_way() -> None:
    registry = NamespaceRegistry()
    registry.register(Namespace(name="chat"))

    registry.copy().register(Namespace(name="news"))

    assert [namespace.name for namespace in registry] == ["chat"]
