"""Presence: who is in a topic now."""
