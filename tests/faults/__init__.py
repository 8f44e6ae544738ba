"""Faults: mail servers that fail, processes that are killed, databases that hang up."""
