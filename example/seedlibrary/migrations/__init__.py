"""Make the tables of the library."""
