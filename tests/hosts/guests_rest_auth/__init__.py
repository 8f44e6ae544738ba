"""Guests on a site with invitations whose people sign up through dj-rest-auth."""
