"""The numbers that clients are told are the protocol's, and so is what clients make of them."""

import pytest

from realtime.errors import CloseCode, CommandError, Disconnect, ErrorCode, UnsubscribeCode

TEMPORARY = {100, 111}
FINAL = {3500, 3501, 3502, 3503, 3504, 3505, 3506, 3507, 3508, 3509}


def test_errors_are_numbered_as_in_the_protocol() -> None:
    assert {code.value: code.text for code in ErrorCode} == {
        100: "internal server error",
        101: "unauthorized",
        102: "unknown channel",
        103: "permission denied",
        104: "method not found",
        105: "already subscribed",
        106: "limit exceeded",
        107: "bad request",
        108: "not available",
        109: "token expired",
        110: "expired",
        111: "too many requests",
        112: "unrecoverable position",
    }


def test_only_internal_errors_and_too_many_requests_are_worth_a_retry() -> None:
    assert {code.value for code in ErrorCode if code.temporary} == TEMPORARY


def test_unsubscribe_codes_are_those_of_the_protocol() -> None:
    assert {code.value: code.text for code in UnsubscribeCode} == {
        2000: "server unsubscribe",
        2500: "insufficient state",
        2501: "subscription expired",
    }


def test_a_client_subscribes_again_from_2500_on() -> None:
    assert {code.value for code in UnsubscribeCode if code.resubscribes} == {2500, 2501}


def test_close_codes_are_those_of_the_protocol() -> None:
    assert {code.value: code.text for code in CloseCode} == {
        1009: "message too big",
        3000: "connection closed",
        3001: "shutdown",
        3004: "internal server error",
        3005: "connection expired",
        3006: "subscription expired",
        3008: "slow",
        3009: "write error",
        3010: "insufficient state",
        3011: "force reconnect",
        3012: "no pong",
        3013: "too many requests",
        3500: "invalid token",
        3501: "bad request",
        3502: "stale",
        3503: "force disconnect",
        3504: "connection limit",
        3505: "channel limit",
        3506: "inappropriate protocol",
        3507: "permission denied",
        3508: "not available",
        3509: "too many errors",
    }


def test_a_client_gives_up_from_3500_to_3999_and_comes_back_otherwise() -> None:
    assert {code.value for code in CloseCode if not code.reconnects} == FINAL


@pytest.mark.parametrize("kind", [ErrorCode, UnsubscribeCode, CloseCode])
def test_reasons_fit_into_a_close_frame(
    kind: type[ErrorCode] | type[UnsubscribeCode] | type[CloseCode],
) -> None:
    # RFC 6455, section 5.5: 125 bytes, of which the code takes two.
    assert all(0 < len(code.text.encode()) <= 123 for code in kind)


def test_the_text_of_an_error_has_its_number_its_name_and_the_detail() -> None:
    assert str(CommandError(ErrorCode.UNKNOWN_TOPIC, "no namespace 'x'")) == (
        "102 unknown channel: no namespace 'x'"
    )
    assert str(Disconnect(CloseCode.SLOW)) == "3008 slow"


def test_a_code_is_found_by_its_number() -> None:
    assert CloseCode.of(3503) is CloseCode.FORCE_NO_RECONNECT
    assert CloseCode.of(3503, "force disconnect") is CloseCode.FORCE_NO_RECONNECT
    assert UnsubscribeCode.of(2000) is UnsubscribeCode.SERVER


def test_a_project_may_have_codes_and_texts_of_its_own() -> None:
    again, banned, other = CloseCode.of(4001, "moved"), CloseCode.of(4501), CloseCode.of(3503, "banned")

    assert (int(again), again.text, again.reconnects) == (4001, "moved", True)
    assert (int(banned), banned.text, banned.reconnects) == (4501, "code 4501", False)
    assert (int(other), other.text, other.reconnects) == (3503, "banned", False)
    assert CloseCode.FORCE_NO_RECONNECT.text == "force disconnect"
    assert 4001 not in list(CloseCode)
