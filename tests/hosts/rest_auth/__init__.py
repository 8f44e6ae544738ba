"""A site whose people sign up through dj-rest-auth."""
