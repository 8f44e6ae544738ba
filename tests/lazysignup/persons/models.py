"""Accounts whose address is unique beside their login name, as many sites have them."""

from __future__ import annotations

from django.contrib.auth.models import AbstractUser
from django.db import models


class Person(AbstractUser):
    """An account with a unique address."""

    email = models.EmailField(unique=True)
