"""A site with every app that signs people up, and with open doors: what the checks say."""
