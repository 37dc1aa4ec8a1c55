"""What every client of usher needs, whatever it does.

  * A deadline on every call: a server that does not answer must not hang a telephone line.
  * A retry that cannot do anything twice: the same request goes out again, with the same request_id.
  * A back-off that grows and is random, so that a thousand clients do not come back in the same instant.
  * A stream that goes on where it broke off: the last resume_token is sent along.
"""

import random
import time

import grpc

# Seconds a call may take.
DEADLINE = 2.0

# Codes after which the same request may be sent again. UNAVAILABLE: nobody there, or a server that is draining.
# DEADLINE_EXCEEDED: it may have been carried out or not; with a request_id that makes no difference.
RETRY = {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED}

# A connection that is silently dead is noticed by pings, and gRPC itself tries again soon.
CHANNEL = [
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 3_000),
]


def connect(address):
    """A channel to a server; gRPC connects when it is first used, and again whenever it has to."""
    return grpc.insecure_channel(address, options=CHANNEL)


def pause(attempt):
    """Seconds to wait before the next attempt: anywhere from none to 0.1, 0.2, 0.4 and so on, at most 3."""
    return random.uniform(0, min(3.0, 0.1 * 2 ** min(attempt, 10)))


def call(method, request, patience=float("inf")):
    """Calls until an answer comes, for at most `patience` seconds. Only for requests that may be sent twice: those with
    a request_id, and reads."""
    attempt = 0
    until = time.monotonic() + patience
    while True:
        try:
            return method(request, timeout=DEADLINE)
        except grpc.RpcError as error:
            if error.code() not in RETRY or time.monotonic() > until:
                raise
            time.sleep(pause(attempt))
            attempt += 1


class Follow:
    """The messages of a server's stream, over as many connections as it takes, until `stop`.

    After a break the server goes on behind the last message that was read. When it no longer knows that place
    (OUT_OF_RANGE: too long ago, or it was started anew) the stream begins again with a snapshot, as it did at first.
    """

    def __init__(self, method, request, away=lambda: None):
        """`away` is called whenever nobody could be reached."""
        self.method = method
        self.request = request
        self.away = away
        self.stopped = False
        self.stream = None

    def stop(self):
        """Ends it, from any thread."""
        self.stopped = True
        if self.stream is not None:
            self.stream.cancel()

    def __iter__(self):
        attempt = 0
        while not self.stopped:
            try:
                # A stream has no deadline; keepalive looks after it.
                self.stream = self.method(self.request)
                for message in self.stream:
                    attempt = 0
                    if message.resume_token:
                        self.request.resume_token = message.resume_token
                    yield message
            except grpc.RpcError as error:
                if self.stopped:
                    return
                if error.code() == grpc.StatusCode.OUT_OF_RANGE:
                    self.request.resume_token = ""
                elif error.code() not in RETRY | {grpc.StatusCode.RESOURCE_EXHAUSTED}:
                    # RESOURCE_EXHAUSTED: we read too slowly, and go on from the token. ABORTED: another client took our
                    # place. NOT_FOUND and the like: trying again would not help.
                    raise
            if attempt > 0:
                self.away()
            time.sleep(pause(attempt))
            attempt += 1
