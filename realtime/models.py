"""Where Django looks for the engine's models."""

from realtime.outbox.models import OutboxRow

__all__ = ["OutboxRow"]
