"""The real-time engine: topics, sessions, delivery. It knows no wire protocol and no HTTP."""
