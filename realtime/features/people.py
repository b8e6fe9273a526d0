"""A person as other people see them. What an account may do and how it signs in is Django's."""

from dataclasses import dataclass

from django.contrib.auth.models import User


@dataclass(frozen=True, slots=True)
class Person:
    id: int
    username: str
    name: str

    @classmethod
    def of(cls, user: User) -> "Person":
        return cls(id=user.pk, username=user.get_username(), name=display_name(user))


def display_name(user: User) -> str:
    """The full name, or the user name of who gave none."""
    return user.get_full_name() or user.get_username()
