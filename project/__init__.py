"""The composition root: settings, URLs, the ASGI application, and how they are served."""
