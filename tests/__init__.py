"""The tests of django-invitation; they mirror the package."""
