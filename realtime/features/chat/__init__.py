"""Rooms in which people write to each other: stored by Django, pushed into topics."""
