"""The least that could do the job in Django.

One table of invitations, a counter for each member, and a row for each email of a list. There are
no states, no outbox, no limits, no groups, no languages, and nothing is checked but what must be.
"""
