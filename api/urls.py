"""Every HTTP endpoint, on one page.

GET, POST, DELETE  /api/session                         who is signed in; sign in; sign out
POST               /api/connection-token                a token for the WebSocket
GET, POST          /api/chat/rooms                      rooms; create one
GET, POST          /api/chat/rooms/{slug}/messages      a page of messages; send one
GET                /api/docs, /api/openapi.json         this, for people and for programs
GET                /health/live, /health/ready          for load balancers
"""

from django.urls import path
from ninja import NinjaAPI

from api import chat, connection_token, errors, health, session
from api.guard import JsonParser, JsonRenderer, guard

api = NinjaAPI(
    title="Switchboard",
    version="1",
    description="Accounts, connection tokens and the chat. Live messages come over the WebSocket.",
    parser=JsonParser(),
    renderer=JsonRenderer(),
    urls_namespace="api",
)
errors.install(api)
api.add_router("/session", session.router)
api.add_router("/connection-token", connection_token.router)
api.add_router("/chat", chat.router)

_patterns, _app_name, _namespace = api.urls

api_urls = ([guard(pattern) for pattern in _patterns], _app_name, _namespace)

health_urls = [
    path("live", health.live, name="health-live"),
    path("ready", health.ready, name="health-ready"),
]
