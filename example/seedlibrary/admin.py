"""Let the librarian keep the shelf in order."""

from django.contrib import admin

from seedlibrary.models import Packet, Reservation


@admin.register(Packet)
class PacketAdmin(admin.ModelAdmin):
    """Show what stands on the shelf."""

    list_display = ["variety", "plant", "harvested", "left", "shared_by"]
    list_filter = ["plant"]
    list_select_related = ["shared_by"]
    search_fields = ["variety"]


@admin.register(Reservation)
class ReservationAdmin(admin.ModelAdmin):
    """Packets that are set aside for Saturday."""

    list_display = ["packet", "person"]
    list_select_related = ["packet", "person"]
    search_fields = ["packet__variety", "person__username"]
