"""A topic layer that says it reaches other processes, and does not."""

from realtime.layers.memory import MemoryTopicLayer


class StandInLayer(MemoryTopicLayer):
    is_shared = True
