"""The key by which the load asks the measured server; apart from the settings, which only servers import."""

API_KEY = "benchmark"
