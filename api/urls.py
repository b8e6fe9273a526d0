"""Every HTTP endpoint, on one page.

GET, POST, DELETE  /api/session                         who is signed in; sign in; sign out
POST               /api/connection-token                a token for the WebSocket
POST               /api/subscription-token              a token for one topic
GET, POST          /api/chat/rooms                      rooms; create one
GET, POST          /api/chat/rooms/{slug}/messages      a page of messages; send one
GET                /api/docs, /api/openapi.json         this, for people and for programs
POST               /api/<method>                        the server API, as Centrifugo's clients speak it
                   /api/v1/…                            the server API as resources: see /api/v1/docs
GET                /health/live, /health/ready          for load balancers
"""

from django.urls import URLPattern, URLResolver, path
from ninja import NinjaAPI

from api import chat, connection_token, errors, health, session, subscription_token
from api.guard import JsonParser, JsonRenderer, guard
from api.server.rest import rest_urls
from api.server.views import VIEWS

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
api.add_router("/subscription-token", subscription_token.router)
api.add_router("/chat", chat.router)

_patterns, _app_name, _namespace = api.urls

_server_patterns: list[URLPattern | URLResolver] = [
    *(path(name, view, name=f"server-{name}") for name, view in VIEWS.items()),
    path("v1/", rest_urls),
]

api_urls = ([*_server_patterns, *(guard(pattern) for pattern in _patterns)], _app_name, _namespace)

health_urls = [
    path("live", health.live, name="health-live"),
    path("ready", health.ready, name="health-ready"),
]
