"""A real server, and a client that knows nothing but what the server's reflection tells it.

`Server` starts the binary named by USHER_BIN on free ports of the loopback, waits for its ready file, and stops it by
its process id. `Client` builds every message and method from server reflection: no generated code. A refused call
raises `Refusal`, which holds the ErrorInfo and the field paths.
"""

import json
import os
import queue
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import time
import unittest
from pathlib import Path

import grpc
from google.protobuf import descriptor_pool, json_format, message_factory
from google.rpc import error_details_pb2
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from grpc_status import rpc_status

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
CONFIG = HERE / "usher.toml"

READY_SECONDS = 30
DRAIN_SECONDS = 30
CALL_SECONDS = 10


def binary():
    """The server's binary: USHER_BIN, or else the debug build."""
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    path = Path(os.environ.get("USHER_BIN", target / "debug" / "usher"))
    if not path.is_file():
        raise RuntimeError(f"no server at {path}: build it, or set USHER_BIN")
    return path


def with_free_ports(text):
    """A configuration's text with both doors on free ports of the loopback."""
    kept = [line for line in text.splitlines() if not re.match(r"\s*(grpc|http)_listen\s*=", line)]
    doors = ['grpc_listen = "127.0.0.1:0"', 'http_listen = "127.0.0.1:0"']
    if "[server]" in kept:
        at = kept.index("[server]") + 1
        kept[at:at] = doors
    else:
        kept[:0] = ["[server]", *doors]
    return "\n".join(kept) + "\n"


class Server:
    """The server as a process of its own. Use it in a `with`, or call `start` and `stop`."""

    def __init__(self, config=CONFIG):
        self.config = Path(config)
        self.process = None
        self.grpc = None
        self.http = None

    def __enter__(self):
        return self.start()

    def __exit__(self, kind, _error, _trace):
        try:
            self.stop()
        except AssertionError:
            # The failure of the test itself says more.
            if kind is None:
                raise

    def start(self):
        """Starts it and returns once both doors are open."""
        self.dir = Path(tempfile.mkdtemp(prefix="usher-interop-"))
        config = self.dir / self.config.name
        config.write_text(with_free_ports(self.config.read_text(encoding="utf-8")), encoding="utf-8")
        ready = self.dir / "ready.json"
        self.log = open(self.dir / "server.log", "w+b")
        command = [binary(), "serve", "--config", config, "--ready-file", ready]
        self.process = subprocess.Popen(command, cwd=self.dir, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        try:
            doors = self._wait_for(ready)
        except BaseException:
            self.process.kill()
            self.process.wait()
            self._clear()
            raise
        self.grpc, self.http = doors["grpc"], doors["http"]
        return self

    def _wait_for(self, ready):
        until = time.monotonic() + READY_SECONDS
        while not ready.exists():
            code = self.process.poll()
            if code is not None:
                raise RuntimeError(f"the server ended with {code} before it was ready:\n{self.said()}")
            if time.monotonic() > until:
                raise RuntimeError(f"the server was not ready within {READY_SECONDS} s:\n{self.said()}")
            time.sleep(0.02)
        # It is put in place whole, so what is there can be read.
        return json.loads(ready.read_text(encoding="utf-8"))

    def said(self, lines=40):
        """The last lines it wrote."""
        self.log.flush()
        text = (self.dir / "server.log").read_text(encoding="utf-8", errors="replace")
        return "\n".join(text.splitlines()[-lines:])

    def stop(self):
        """Has it drain, and fails unless it ends by itself, with 0 and without a panic."""
        if self.process is None:
            return
        try:
            if self.process.poll() is None:
                os.kill(self.process.pid, signal.SIGTERM)
            try:
                code = self.process.wait(DRAIN_SECONDS)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                late = f"the server was still there {DRAIN_SECONDS} s after SIGTERM"
                raise AssertionError(f"{late}:\n{self.said()}") from None
            said = self.said(10_000)
            assert code == 0, f"the server ended with {code}:\n{self.said()}"
            assert "panicked at" not in said, f"the server panicked:\n{said}"
        finally:
            self.process = None
            self._clear()

    def kill(self):
        """Ends it in an instant, as a machine that fails does."""
        self.process.kill()
        self.process.wait()
        self.process = None
        self._clear()

    def _clear(self):
        self.log.close()
        shutil.rmtree(self.dir, ignore_errors=True)


class Refusal(Exception):
    """A refused call: its code, and what its details say."""

    def __init__(self, method, error):
        self.code = error.code().name
        self.message = error.details()
        self.reason = None
        self.domain = None
        self.metadata = {}
        self.fields = []
        self.retry_seconds = None
        status = rpc_status.from_call(error)
        for detail in status.details if status is not None else []:
            self._take(detail)
        paths = "".join(f" [{path}: {what}]" for path, what in self.fields)
        super().__init__(f"{method}: {self.code} {self.reason}: {self.message}{paths}")

    def _take(self, detail):
        info = error_details_pb2.ErrorInfo()
        bad = error_details_pb2.BadRequest()
        retry = error_details_pb2.RetryInfo()
        if detail.Unpack(info):
            self.reason, self.domain, self.metadata = info.reason, info.domain, dict(info.metadata)
        elif detail.Unpack(bad):
            self.fields = [(violation.field, violation.description) for violation in bad.field_violations]
        elif detail.Unpack(retry):
            self.retry_seconds = retry.retry_delay.seconds + retry.retry_delay.nanos / 1e9


class Client:
    """A client written from reflection alone: `client.ContactService.CreateContact(contact={...})`."""

    def __init__(self, target, package="usher.v1"):
        self.package = package
        self.channel = grpc.insecure_channel(target)
        self.reflection = ProtoReflectionDescriptorDatabase(self.channel)
        self.pool = descriptor_pool.DescriptorPool(self.reflection)
        self._services = {}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """Closes the connection."""
        self.channel.close()

    def services(self):
        """Full names of the services there are."""
        return sorted(self.reflection.get_services())

    def __getattr__(self, name):
        if name.startswith("_") or not name[0].isupper():
            raise AttributeError(name)
        if name not in self._services:
            self._services[name] = Service(self, self.pool.FindServiceByName(f"{self.package}.{name}"))
        return self._services[name]

    def message(self, name):
        """The class of a message of the package."""
        full = name if "." in name else f"{self.package}.{name}"
        return message_factory.GetMessageClass(self.pool.FindMessageTypeByName(full))


class Service:
    """One service; its methods are attributes."""

    def __init__(self, client, descriptor):
        self.descriptor = descriptor
        for method in descriptor.methods:
            setattr(self, method.name, Method(client.channel, descriptor, method))


class Method:
    """One method, to be called with the fields of its request, as JSON has them, or with a request."""

    def __init__(self, channel, service, method):
        self.name = f"{service.name}.{method.name}"
        self.descriptor = method
        self.request_class = message_factory.GetMessageClass(method.input_type)
        self.response_class = message_factory.GetMessageClass(method.output_type)
        self.server_streaming = method.server_streaming
        kinds = {
            (False, False): channel.unary_unary,
            (False, True): channel.unary_stream,
            (True, False): channel.stream_unary,
            (True, True): channel.stream_stream,
        }
        self._call = kinds[method.client_streaming, method.server_streaming](
            f"/{service.full_name}/{method.name}",
            request_serializer=self.request_class.SerializeToString,
            response_deserializer=self.response_class.FromString,
        )

    def request(self, **fields):
        """A request. Names as in the proto; times and spans as texts (`"30s"`), enums by name."""
        return json_format.ParseDict(fields, self.request_class())

    def __call__(self, request=None, /, *, timeout=CALL_SECONDS, **fields):
        """Calls a unary method; opens a stream and returns it as a `Watch`. A refusal raises `Refusal`."""
        message = self.request(**fields) if request is None else request
        if self.server_streaming:
            return Watch(self.name, self._call(message))
        try:
            return self._call(message, timeout=timeout)
        except grpc.RpcError as error:
            raise Refusal(self.name, error) from None


class Watch:
    """A server's stream, read by a thread of its own so that waiting for a message can end."""

    def __init__(self, name, call):
        self.name = name
        self.seen = []
        self._call = call
        self._arrived = queue.Queue()
        self._reader = threading.Thread(target=self._read, name=name, daemon=True)
        self._reader.start()

    def _read(self):
        try:
            for message in self._call:
                self._arrived.put(message)
            self._arrived.put(EOFError(f"{self.name}: the server ended the stream"))
        except grpc.RpcError as error:
            self._arrived.put(Refusal(self.name, error))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """Ends the stream from this side."""
        self._call.cancel()
        self._reader.join(CALL_SECONDS)

    def next(self, timeout=CALL_SECONDS):
        """The next message; raises `Refusal` or `EOFError` when the stream has ended."""
        try:
            message = self._arrived.get(timeout=timeout)
        except queue.Empty:
            names = [payload(seen) for seen in self.seen]
            raise AssertionError(f"{self.name}: nothing within {timeout} s, after {names}") from None
        if isinstance(message, Exception):
            raise message
        self.seen.append(message)
        return message

    def until(self, wanted, matches=lambda _: True, timeout=CALL_SECONDS):
        """Reads on to the next event named `wanted` (as in the oneof of Event) that matches; returns its payload."""
        until = time.monotonic() + timeout
        while True:
            message = self.next(max(0.0, until - time.monotonic()))
            if payload(message) == wanted and matches(getattr(message.event, wanted)):
                return getattr(message.event, wanted)

    def events(self):
        """The events read so far: name and payload of each."""
        events = [message.event for message in self.seen if message.WhichOneof("item") == "event"]
        return [(event.WhichOneof("payload"), getattr(event, event.WhichOneof("payload"))) for event in events]


class Session:
    """A bidirectional stream: `send` commands, read items in order."""

    def __init__(self, method):
        self._method = method
        self._frames = queue.Queue()
        self.watch = Watch(method.name, method._call(iter(self._frames.get, None)))
        self._items = []
        self.token = ""

    def send(self, *commands):
        frame = {"commands": [{"correlation_id": number, **command} for number, command in commands]}
        self._frames.put(json_format.ParseDict(frame, self._method.request_class()))

    def send_message(self, number, command, request):
        """Sends one command in a frame of its own, its request as a message."""
        frame = self._method.request_class()
        one = frame.commands.add(correlation_id=number)
        getattr(one, command).CopyFrom(request)
        self._frames.put(frame)

    def item(self):
        """The next item of any kind."""
        while not self._items:
            message = self.watch.next()
            self._items.extend(message.items)
            self.token = message.resume_token or self.token
        return self._items.pop(0)

    def until(self, kind, matches=lambda _: True):
        """Reads on to an item of a kind."""
        until = time.monotonic() + CALL_SECONDS
        while time.monotonic() < until:
            item = self.item()
            if item.WhichOneof("item") == kind and matches(getattr(item, kind)):
                return getattr(item, kind)
        raise AssertionError(f"no {kind} within {CALL_SECONDS} s")

    def reply(self, number):
        """The reply to a command."""
        return self.until("reply", lambda reply: reply.correlation_id == number)

    def event(self, name):
        """The next event of a name."""
        event = self.until("event", lambda event: event.WhichOneof("payload") == name)
        return getattr(event, name)

    def close(self):
        self._frames.put(None)
        self.watch.close()


def payload(message):
    """What a message of a stream is: the name of its event, or else of its item."""
    item = message.WhichOneof("item")
    return message.event.WhichOneof("payload") if item == "event" else item


def after(seconds):
    """The whole second that many from now, as a request has it."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(int(time.time()) + seconds))


def word(message, field):
    """An enum's value in the words of the documents: `contact.state` is `QUEUED`, not CONTACT_STATE_QUEUED."""
    enum = message.DESCRIPTOR.fields_by_name[field].enum_type
    number = getattr(message, field)
    if number not in enum.values_by_number:
        return str(number)
    prefix = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", enum.name).upper() + "_"
    return enum.values_by_number[number].name.removeprefix(prefix)


def seconds(span):
    """A Duration in seconds."""
    return span.seconds + span.nanos / 1e9


def instant(timestamp):
    """A Timestamp in seconds."""
    return timestamp.seconds + timestamp.nanos / 1e9


class ServerTest(unittest.TestCase):
    """A test with a server of its own, started once for the class, and a client of it."""

    config = CONFIG
    # A configuration of the class's own, as text; it is then written to the file `config` names.
    text = None

    @classmethod
    def setUpClass(cls):
        if cls.text is not None:
            directory = tempfile.TemporaryDirectory(prefix="usher-interop-")
            cls.addClassCleanup(directory.cleanup)
            cls.config = Path(directory.name) / "usher.toml"
            cls.config.write_text(cls.text)
        cls.server = Server(cls.config).start()
        cls.addClassCleanup(cls.server.stop)
        cls.client = Client(cls.server.grpc)
        cls.addClassCleanup(cls.client.close)

    @property
    def contacts(self):
        """ContactService."""
        return self.client.ContactService

    @property
    def agents(self):
        """AgentService."""
        return self.client.AgentService

    @property
    def supervisors(self):
        """SupervisorService."""
        return self.client.SupervisorService

    def assertWord(self, message, field, wanted):
        """That an enum has the value the documents call `wanted`."""
        self.assertEqual(word(message, field), wanted, f"{message.DESCRIPTOR.name}.{field}")

    def refused(self, method, request, code, reasons):
        """The refusal of a call, which must have this code and one of these reasons."""
        try:
            answer = method(request)
            if method.server_streaming:
                # A stream is refused where its first message would be.
                answer = answer.next()
        except Refusal as refusal:
            self.assertEqual(refusal.code, code, refusal)
            self.assertIn(refusal.reason, [reasons] if isinstance(reasons, str) else reasons, refusal)
            self.assertEqual(refusal.domain, "usher.v1", refusal)
            return refusal
        return self.fail(f"{method.name} was not refused but answered {answer}")
