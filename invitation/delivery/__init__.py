"""Delivery of emails; INVITATION_DELIVERY chooses how they are sent."""
