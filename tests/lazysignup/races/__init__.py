"""Races of guests: cleanup, activity, conversion and limits, many at once."""
