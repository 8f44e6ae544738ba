"""Races: many threads do the same, or the opposite, at the same moment, with real commits."""
