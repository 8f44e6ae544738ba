"""A site with a Celery app, set up as Celery's documentation says."""

from tests.workers.site.celery import app

__all__ = ["app"]
