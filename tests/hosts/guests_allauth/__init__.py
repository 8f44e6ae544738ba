"""Guests on a site with invitations and with django-allauth."""
