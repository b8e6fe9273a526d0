"""What one client, and all of them together, may take from a process. Seconds, bytes, counts."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The numbers are the protocol's or Centrifugo's defaults; 0 connections means no limit."""

    ping_interval_seconds: float = 25
    pong_timeout_seconds: float = 8
    connect_timeout_seconds: float = 10
    # How long after its expiry a connection or subscription waits for the client's new token.
    expiry_grace_seconds: float = 25
    # How often a connection looks up whether the login that it hangs on still stands; 0: never.
    login_check_seconds: float = 300
    max_message_bytes: int = 65_536
    max_topics_per_connection: int = 128
    max_connections: int = 0
    max_connections_per_user: int = 0
    slow_client_bytes: int = 1_048_576
    # Commands that may wait while an earlier one of the same client is under way; then its socket
    # is not read any more.
    max_waiting_commands: int = 256
    # RPC calls of one client that may be under way at once; further ones wait.
    max_concurrent_rpcs: int = 16
