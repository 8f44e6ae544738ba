"""Commands of this app, in the layout that Django asks for."""
