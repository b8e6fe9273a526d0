"""Wire protocols: one per file, and what they share. All of them speak to realtime's Session."""
