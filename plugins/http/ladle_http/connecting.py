"""Connections to addresses that were checked, on which one time limit holds for the whole of an answer."""

from __future__ import annotations

import math
import ssl
import time
from collections.abc import Iterable
from typing import Any

import httpcore2

from .addresses import check_public, resolve


class Connector(httpcore2.NetworkBackend):
    """Resolves a host, checks every address that it has, and connects to the first of them that answers.

    Nothing is resolved again in between. An httpx2 client has no place for this: hence its lower half, httpcore2.
    """

    def __init__(self, allow_private: bool) -> None:
        self.allow_private = allow_private
        self.deadline = math.inf
        """When whatever is under way has to be over, on the clock of time.monotonic."""
        self._plain = httpcore2.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.NetworkStream:
        addresses = resolve(host, port)
        if not self.allow_private:
            check_public(host, addresses)
        for others in reversed(range(len(addresses))):
            try:
                left = self.left(httpcore2.ConnectTimeout) / (others + 1)
                address = addresses[-1 - others]
                stream = self._plain.connect_tcp(address, port, left, local_address, socket_options)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout):
                if not others:
                    raise
            else:
                return _Stream(stream, self)
        raise httpcore2.ConnectError(f"{host} has no address")

    def left(self, too_late: type[Exception]) -> float:
        """The seconds that are left; raises `too_late` if none are."""
        if (left := self.deadline - time.monotonic()) <= 0:
            raise too_late("the time is up")
        return left


class _Stream(httpcore2.NetworkStream):
    """A connection that keeps the deadline of its connector, however slowly bytes come."""

    def __init__(self, plain: httpcore2.NetworkStream, connector: Connector) -> None:
        self._plain = plain
        self._connector = connector

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._plain.read(max_bytes, self._connector.left(httpcore2.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._plain.write(buffer, self._connector.left(httpcore2.WriteTimeout))

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.NetworkStream:
        left = self._connector.left(httpcore2.ConnectTimeout)
        return _Stream(self._plain.start_tls(ssl_context, server_hostname, left), self._connector)

    def close(self) -> None:
        self._plain.close()

    def get_extra_info(self, info: str) -> Any:
        return self._plain.get_extra_info(info)
