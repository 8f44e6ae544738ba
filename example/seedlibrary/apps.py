"""Tell Django about the seed library."""

from django.apps import AppConfig


class SeedLibraryConfig(AppConfig):
    """Name the app."""

    name = "seedlibrary"
    verbose_name = "seed library"

    def ready(self) -> None:
        """Register what moves when a guest logs in."""
        from seedlibrary import baskets  # noqa: F401 (registers its handler)
