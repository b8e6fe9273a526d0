"""What production refuses, each fault by itself; and nothing of it elsewhere."""

from dataclasses import replace
from typing import Any

import pytest

from realtime.conf import Settings, Site
from realtime.errors import ConfigurationError
from realtime.production import find_faults, refuse_unsafe

STRONG = "0123456789-abcdefghijklmnopqrstuvwxyz-ABCDEFGH"
SAFE_SITE = Site(
    is_production=True,
    is_debug=False,
    secret_key=STRONG,
    allowed_hosts=("chat.example", ".chat.example"),
    csrf_trusted_origins=("https://*.chat.example",),
)
SAFE_SETTINGS = Settings(
    token_hmac_secret=STRONG[::-1],
    api_keys=("Zq4vJ8nR2xK6mT0wB3yE7hU1cL5pD9fA",),
    allowed_origins=("https://app.example", "https://.chat.example"),
)

# What is changed of the site or of REALTIME, the fault's id, and the setting that it names.
FAULTS: list[tuple[dict[str, Any], dict[str, Any], str, str]] = [
    ({"secret_key": ""}, {}, "E010", "SECRET_KEY is empty"),
    ({"secret_key": "hunter2"}, {}, "E010", "SECRET_KEY is shorter than 32 bytes"),
    ({"secret_key": "hunter2" * 9}, {}, "E010", "SECRET_KEY has fewer than 10 different characters"),
    ({"secret_key": f"django-insecure-{STRONG}"}, {}, "E010", "SECRET_KEY is one that everybody knows"),
    ({}, {"token_hmac_secret": "hunter2"}, "E011", "TOKEN_HMAC_SECRET"),
    (
        {},
        {"token_hmac_secret": "development-only-token-secret-0123456789"},
        "E011",
        "REALTIME['TOKEN_HMAC_SECRET'] is one that everybody knows",
    ),
    ({}, {"token_hmac_secret": STRONG}, "E012", "the same as SECRET_KEY"),
    ({}, {"api_keys": (STRONG[1:], "hunter2")}, "E013", "REALTIME['API_KEYS'], number 2,"),
    ({"is_debug": True}, {}, "E014", "DEBUG"),
    ({}, {"insecure_client": True}, "E015", "INSECURE_CLIENT"),
    ({"allowed_hosts": ("chat.example", "*")}, {}, "E016", "ALLOWED_HOSTS"),
    ({"csrf_trusted_origins": ("https://*",)}, {}, "E017", "CSRF_TRUSTED_ORIGINS"),
]


def test_safe_settings_are_served() -> None:
    assert list(find_faults(SAFE_SITE, SAFE_SETTINGS)) == []
    refuse_unsafe(SAFE_SITE, SAFE_SETTINGS)


def test_clients_may_go_without_the_shared_secret() -> None:
    assert list(find_faults(SAFE_SITE, replace(SAFE_SETTINGS, token_hmac_secret=""))) == []


@pytest.mark.parametrize(("site", "realtime", "fault_id", "text"), FAULTS)
def test_each_fault_is_named_without_the_secret(
    site: dict[str, Any], realtime: dict[str, Any], fault_id: str, text: str
) -> None:
    with_fault = replace(SAFE_SITE, **site), replace(SAFE_SETTINGS, **realtime)

    [fault] = find_faults(*with_fault)

    assert fault.id == f"realtime.{fault_id}"
    assert text in fault.text
    assert fault.hint.endswith((".", '"'))
    assert "hunter2" not in f"{fault}"
    assert STRONG not in f"{fault}"
    with pytest.raises(ConfigurationError, match=r"^(?!.*\n)"):
        refuse_unsafe(*with_fault)


@pytest.mark.parametrize(("site", "realtime", "fault_id", "text"), FAULTS)
def test_outside_of_production_it_is_the_developers_choice(
    site: dict[str, Any], realtime: dict[str, Any], fault_id: str, text: str
) -> None:
    elsewhere = replace(SAFE_SITE, **{**site, "is_production": False})

    assert list(find_faults(elsewhere, replace(SAFE_SETTINGS, **realtime))) == []
