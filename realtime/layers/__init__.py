"""Topic layers: how a publication reaches every process, and the log that remembers it."""
