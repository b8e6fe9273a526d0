"""What people do on the account pages, and what they get by e-mail."""

import base64
import hashlib
import hmac
import re
import struct
import time
from typing import Any

from allauth.account.models import EmailAddress
from django.contrib.auth.models import User
from django.core import mail
from django.test import Client

from tests.accounts import PASSWORD


def confirm_address(user: User, address: str) -> None:
    user.email = address
    user.save()
    EmailAddress.objects.create(user=user, email=address, verified=True, primary=True)


def sign_in(browser: Client, login: str = "alice", password: str = PASSWORD) -> Any:
    return browser.post("/accounts/login/", {"login": login, "password": password})


def sign_in_at_the_page(browser: Client, username: str = "alice", password: str = PASSWORD) -> Any:
    """As the page does, over the API."""
    return browser.post(
        "/api/session", {"username": username, "password": password}, content_type="application/json"
    )


def sign_up(browser: Client, username: str, email: str, password: str = PASSWORD) -> Any:
    return browser.post("/accounts/signup/", {"username": username, "email": email, "password1": password})


def fetch_username(browser: Client) -> str | None:
    """Of who is signed in."""
    person = browser.get("/api/session").json()["user"]
    return None if person is None else person["username"]


def link_in_mail(start: str) -> str:
    """The path in the last message that begins with `start`."""
    found = re.search(rf"http://testserver({re.escape(start)}\S+)", f"{mail.outbox[-1].body}")
    assert found is not None, mail.outbox[-1].body
    return found[1]


def totp(secret: str, *, steps_ahead: int = 0) -> str:
    """RFC 6238: the code that an authenticator app shows now, or 30 s later for each step."""
    counter = struct.pack(">Q", int(time.time()) // 30 + steps_ahead)
    digest = hmac.digest(base64.b32decode(secret), counter, hashlib.sha1)
    start = digest[-1] & 15
    number = struct.unpack(">I", digest[start : start + 4])[0] & 0x7FFFFFFF
    return f"{number % 1_000_000:06}"


def prove_it_again(browser: Client) -> None:
    """Before an account's protection changes, who is signed in enters the password once more."""
    browser.post("/accounts/reauthenticate/", {"password": PASSWORD})


def add_totp(browser: Client) -> str:
    """Adds an authenticator app to the account that is signed in; returns its secret."""
    prove_it_again(browser)
    page = browser.get("/accounts/2fa/totp/activate/")
    secret: str = page.context["form"].secret
    answer = browser.post("/accounts/2fa/totp/activate/", {"code": totp(secret)})
    assert answer.status_code == 302, answer.content
    return secret
