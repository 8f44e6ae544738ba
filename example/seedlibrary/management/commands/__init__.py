"""Hold the commands of the library."""
