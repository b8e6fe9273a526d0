"""Tells Django and the engine about the chat: its models, namespaces and RPC functions."""

from django.apps import AppConfig


class ChatConfig(AppConfig):
    name = "realtime.features.chat"
    label = "chat"
    verbose_name = "Chat"

    def ready(self) -> None:
        from realtime.features.chat import namespaces, rpc, rules  # noqa: PLC0415  # They import the models, which exist only now.

        namespaces.register_all()
        rpc.register_all()
        rules.watch_rows()
