"""Bring an invitation out of the house; choose how with INVITATION_DELIVERY."""
