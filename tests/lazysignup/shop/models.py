"""What a guest puts into a basket."""

from __future__ import annotations

from django.conf import settings
from django.db import models


class Item(models.Model):
    """A thing in the basket of somebody."""

    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="items"
    )
    name = models.CharField(max_length=40)

    def __str__(self) -> str:
        return self.name


class Order(models.Model):
    """An order, which keeps its owner."""

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT)

    def __str__(self) -> str:
        return str(self.pk)
