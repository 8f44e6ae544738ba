"""Do what can be done with an invitation: the verbs, in rooms.

Views, forms, the admin, commands and registration backends name the room: ``from invitation.flows
import quota``, then ``quota.grant(...)``. A room imports only those that stand below it in this
list: lists, sharing, arriving, inviting, privacy, upkeep, mail, quota, after_commit.

A verb decides, puts the atomic writes of ``models.managers`` in order, and is the only place that
sends signals. None of them knows a request.
"""
