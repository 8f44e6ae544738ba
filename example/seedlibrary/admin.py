"""Let the librarian keep the shelf in order."""

from django.contrib import admin

from seedlibrary.models import Packet


@admin.register(Packet)
class PacketAdmin(admin.ModelAdmin):
    """Show what stands on the shelf."""

    list_display = ["variety", "plant", "harvested", "left", "shared_by"]
    list_filter = ["plant"]
    list_select_related = ["shared_by"]
    search_fields = ["variety"]
