from __future__ import annotations

import secrets
from datetime import datetime, timedelta

from django.conf import settings
from django.db import models
from django.utils import timezone


def new_key() -> str:
    """Return a key that nobody can guess."""
    return secrets.token_urlsafe(32)


def in_a_week() -> datetime:
    """Return when an invitation ends that is made now."""
    return timezone.now() + timedelta(days=7)


class Invitation(models.Model):
    """One table: key, inviter, email, end."""

    key = models.CharField(max_length=43, default=new_key)
    inviter = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+", db_index=False
    )
    email = models.CharField(max_length=254)
    expires = models.DateTimeField(default=in_a_week)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["key"], name="bench_floor_key"),
            models.UniqueConstraint(fields=["inviter", "email"], name="bench_floor_once"),
        ]

    def __str__(self) -> str:
        return self.email


class Counter(models.Model):
    """Invitations that a member has left."""

    member = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, primary_key=True, related_name="+"
    )
    left = models.PositiveIntegerField(default=0)

    def __str__(self) -> str:
        return str(self.left)


class Mail(models.Model):
    """An email of a list, which waits."""

    invitation = models.ForeignKey(Invitation, on_delete=models.CASCADE, related_name="+")
    due = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return str(self.pk)
