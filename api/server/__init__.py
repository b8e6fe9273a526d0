"""The server API: what other servers ask of this one, by their API keys."""
