"""Names of topics: what they are taken apart into, and what is no name."""

import string
from collections.abc import Collection

import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from realtime.errors import CommandError, ErrorCode
from realtime.topics.name import MAX_LENGTH, TopicName

PRINTABLE = st.text(
    st.sampled_from(string.ascii_letters + string.digits + string.punctuation),
    min_size=1,
    max_size=MAX_LENGTH,
)


@pytest.mark.parametrize(
    ("text", "namespace", "key"),
    [
        ("chat:lobby", "chat", "lobby"),
        ("lobby", "", "lobby"),
        ("chat:a:b", "chat", "a:b"),
        (":lobby", "", "lobby"),
        ("chat:", "chat", ""),
        ("$chat:lobby", "chat", "lobby"),
        ("$lobby", "", "$lobby"),
    ],
)
def test_the_namespace_is_what_stands_before_the_first_colon(text: str, namespace: str, key: str) -> None:
    name = TopicName.parse(text)

    assert (name.namespace, name.key, str(name)) == (namespace, key, text)


@pytest.mark.parametrize(
    ("text", "users"),
    [
        ("dialog#42", {"42"}),
        ("dialog#42,43", {"42", "43"}),
        ("chat:dialog#42", {"42"}),
        ("a#b#42", {"42"}),
        ("#42", {"42"}),
    ],
)
def test_the_users_are_named_after_the_last_hash(text: str, users: Collection[str]) -> None:
    assert TopicName.parse(text).users == frozenset(users)


@pytest.mark.parametrize("text", ["chat:lobby", "lobby", "#chat:lobby"])
def test_a_key_without_a_hash_names_no_users(text: str) -> None:
    assert TopicName.parse(text).users is None


@pytest.mark.parametrize(("text", "users"), [("dialog#", set()), ("dialog#,", set()), ("dialog#42,", {"42"})])
def test_nobody_is_meant_by_an_empty_user(text: str, users: Collection[str]) -> None:
    # "" is what an anonymous client is called.
    assert TopicName.parse(text).users == frozenset(users)


def test_a_dollar_in_front_makes_a_topic_private() -> None:
    assert TopicName.parse("$chat:lobby").is_private
    assert not TopicName.parse("chat:$lobby").is_private


def test_a_personal_topic_is_its_users_alone() -> None:
    name = TopicName.personal("42")

    assert (name.text, name.users, name.namespace) == ("#42", frozenset({"42"}), "")


@pytest.mark.parametrize("user", ["42,43", "a#42", "chat:42"])
def test_a_user_whose_name_would_mean_others_has_no_personal_topic(user: str) -> None:
    with pytest.raises(CommandError) as caught:
        TopicName.personal(user)

    assert caught.value.code is ErrorCode.BAD_REQUEST


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "chat lobby",
        "chat:\n",
        "chat:\x00",
        "chat:\x7f",
        "chat:ü",
        "chat:lobby ",
        "a" * (MAX_LENGTH + 1),
    ],
)
def test_what_is_no_name_is_a_bad_request(text: str) -> None:
    with pytest.raises(CommandError) as caught:
        TopicName.parse(text)

    assert caught.value.code is ErrorCode.BAD_REQUEST
    assert "expected" in caught.value.detail


@given(PRINTABLE)
def test_every_printable_name_is_put_together_again_from_its_parts(text: str) -> None:
    name = TopicName.parse(text)

    prefix = "$" if name.is_private and ":" in text else ""
    assert text == (prefix + name.namespace + ":" + name.key if ":" in text else name.key)
    assert name.is_private == text.startswith("$")
    assert (name.users is None) == ("#" not in name.key)


@given(st.text(max_size=300))
def test_any_text_is_a_name_or_refused(text: str) -> None:
    try:
        name = TopicName.parse(text)
    except CommandError as error:
        event(f"error {error.code.value}")
        return
    assert name.text == text
    assert 0 < len(text) <= MAX_LENGTH
