"""Clubs and their members."""

from typing import ClassVar

from django.contrib.auth.models import User
from django.db import models


class Club(models.Model):
    slug = models.SlugField(unique=True)

    # The stubs know the managers of installed apps alone.
    objects: ClassVar[models.Manager["Club"]] = models.Manager()

    class Meta:
        app_label = "clubs"

    def __str__(self) -> str:
        return self.slug


class Membership(models.Model):
    club = models.ForeignKey(Club, on_delete=models.CASCADE)
    user = models.ForeignKey(User, on_delete=models.CASCADE)

    objects: ClassVar[models.Manager["Membership"]] = models.Manager()

    class Meta:
        app_label = "clubs"

    def __str__(self) -> str:
        return f"{self.user} in {self.club}"
