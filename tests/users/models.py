"""Users whose email address is their login name.

Without ``PermissionsMixin``: its many-to-many relations would clash with those of ``auth.User``,
which is installed beside it in most of the tests.
"""

from __future__ import annotations

from typing import Any

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.db import models
from django.utils import timezone


class EmailUserManager(BaseUserManager["EmailUser"]):
    """Create users by their address."""

    def create_user(self, email: str, password: str | None = None, **fields: Any) -> EmailUser:
        """Create and return a user who may log in."""
        user = self.model(email=self.normalize_email(email), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> EmailUser:
        """Create and return a user who may do everything."""
        return self.create_user(email, password, is_staff=True, is_superuser=True, **fields)


class EmailUser(AbstractBaseUser):
    """A user without a username."""

    email = models.EmailField(unique=True)
    full_name = models.CharField(max_length=120, blank=True)
    is_active = models.BooleanField(default=True)
    is_staff = models.BooleanField(default=False)
    is_superuser = models.BooleanField(default=False)
    date_joined = models.DateTimeField(default=timezone.now)

    objects = EmailUserManager()

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"

    def __str__(self) -> str:
        return self.email

    def get_full_name(self) -> str:
        """Return the name that people read."""
        return self.full_name

    def has_perm(self, perm: str, obj: models.Model | None = None) -> bool:
        """Tell whether the user has the permission: superusers have them all."""
        return self.is_active and self.is_superuser

    def has_perms(self, perms: list[str], obj: models.Model | None = None) -> bool:
        """Tell whether the user has each of the permissions."""
        return all(self.has_perm(perm, obj) for perm in perms)

    def has_module_perms(self, app_label: str) -> bool:
        """Tell whether the user may see the app in the admin."""
        return self.is_active and self.is_superuser
