"""A small app of the site: what a guest puts into a basket."""
