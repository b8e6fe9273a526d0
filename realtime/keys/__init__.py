"""Public keys that tokens are verified with: from the settings (key.py), or from a URL (remote.py)."""
