"""Sends deliveries over HTTP, signed as Standard Webhooks has it (standardwebhooks.com)."""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache
from http import HTTPStatus

import httpcore
import httpx
from standardwebhooks import Webhook as Signer

from ...domain.ports.clock import Clock
from ...domain.ports.webhooks import DeliveryFailed, ListenerGone, ListenerUnreachable
from ...domain.webhooks import Delivery, Webhook
from ..cloud_events import CONTENT_TYPE
from .network import CheckedBackend, Deadlines, PrivateAddress, Resolve, resolve

# Seconds for a delivery, from the connection to the end of the answer.
TIMEOUT = 15.0
# Bytes of an answer that are read so that the connection can be used again.
MAX_ANSWER = 64 * 1024
# Seconds that a connection is kept for the next delivery.
KEEP_ALIVE = 5.0

_signer = lru_cache(maxsize=1000)(Signer)


class HttpWebhookSender:
    """WebhookSender over HTTP. Redirects are not followed; no proxy is asked."""

    def __init__(
        self,
        clock: Clock,
        *,
        private: bool,
        resolve: Resolve = resolve,
        timeout: float = TIMEOUT,
    ) -> None:
        """`private`: listeners may be at private addresses."""
        self._clock = clock
        self._timeout = timeout
        self._deadlines = Deadlines()
        self._pool = httpcore.ConnectionPool(
            ssl_context=httpx.create_ssl_context(),
            # As many as there are threads.
            max_connections=None,
            keepalive_expiry=KEEP_ALIVE,
            network_backend=CheckedBackend(self._deadlines, private=private, resolve=resolve),
        )

    def send(self, delivery: Delivery, webhook: Webhook) -> None:
        """POST it. 2xx: it arrived; 410: the listener is gone; anything else is a failure."""
        with self._deadlines.within(self._timeout):
            try:
                status = self._post(delivery, webhook)
            except (PrivateAddress, httpcore.ConnectError, httpcore.TimeoutException) as error:
                raise ListenerUnreachable(_described(error)) from error
            except (httpcore.NetworkError, httpcore.ProtocolError, httpx.InvalidURL) as error:
                raise DeliveryFailed(_described(error)) from error
        if status == HTTPStatus.GONE:
            raise ListenerGone("answered 410 Gone")
        if not HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
            raise DeliveryFailed(f"answered {status}")

    def interrupt(self) -> None:
        """No time is left for anybody."""
        self._deadlines.close()

    def close(self) -> None:
        """Close the connections."""
        self._pool.close()

    def _post(self, delivery: Delivery, webhook: Webhook) -> int:
        url = httpx.URL(webhook.url)
        body = delivery.body.encode()
        target = httpcore.URL(
            scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path
        )
        headers = [(b"Host", url.netloc), *_headers(delivery, webhook, self._clock.now(), body)]
        with self._pool.stream("POST", target, headers=headers, content=body) as answer:
            length = 0
            for chunk in answer.iter_stream():
                length += len(chunk)
                if length > MAX_ANSWER:
                    break
        return answer.status


def _headers(
    delivery: Delivery, webhook: Webhook, now: datetime, body: bytes
) -> list[tuple[bytes, bytes]]:
    signature = _signer(webhook.secret).sign(delivery.message_id, now, delivery.body)
    return [
        (b"Content-Type", CONTENT_TYPE.encode()),
        (b"Content-Length", str(len(body)).encode()),
        (b"User-Agent", b"order-aggregator"),
        (b"webhook-id", delivery.message_id.encode()),
        (b"webhook-timestamp", str(int(now.timestamp())).encode()),
        (b"webhook-signature", signature.encode()),
    ]


def _described(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
