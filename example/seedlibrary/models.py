"""Hold what stands on the shelf."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _


class Packet(models.Model):
    """Remember one kind of seed that somebody has put on the shelf."""

    class Plant(models.TextChoices):
        """Say what grows from it; the picture on the packet is chosen by this."""

        BEAN = "bean", _("Climbing bean")
        TOMATO = "tomato", _("Tomato")
        SQUASH = "squash", _("Squash")
        SUNFLOWER = "sunflower", _("Sunflower")
        KALE = "kale", _("Kale")
        POPPY = "poppy", _("Poppy")

    plant = models.CharField(max_length=10, choices=Plant)
    variety = models.CharField(max_length=60)
    harvested = models.PositiveSmallIntegerField("year of harvest")
    left = models.PositiveSmallIntegerField("packets left", default=1)
    note = models.CharField(max_length=120, blank=True)
    shared_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="packets"
    )

    class Meta:
        """Put the shelf in order."""

        ordering = ["variety"]

    def __str__(self) -> str:
        return self.variety

    @property
    def picture(self) -> str:
        """Give the static file with the picture of the plant."""
        return f"seedlibrary/{self.plant}.svg"


class Reservation(models.Model):
    """Packet in the basket of a member or a guest, until Saturday."""

    packet = models.ForeignKey(Packet, on_delete=models.CASCADE, related_name="reservations")
    person = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="reservations"
    )

    class Meta:
        """One packet of a kind for each person."""

        ordering = ["packet__variety"]
        constraints = [
            models.UniqueConstraint(fields=["packet", "person"], name="one_packet_of_a_kind")
        ]

    def __str__(self) -> str:
        return self.packet.variety
