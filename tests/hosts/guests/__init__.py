"""Guests on a site with invitations."""
