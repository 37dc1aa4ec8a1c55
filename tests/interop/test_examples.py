"""The example clients of `examples/` against the real server: whole lives, broken connections, a server that goes.

Gateway and desktop are processes of their own and reach the server through a proxy of this test, which can cut every
connection, have nobody answer, and lead to another server. What really happened is read from the server itself.
"""

import json
import os
import queue
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest
from pathlib import Path

from harness import HERE, ROOT, Client, Server, binary, word

CONFIG = HERE / "examples.toml"
EXAMPLES = ROOT / "examples"
# How long anything may take before the test gives up.
PATIENCE_SECONDS = 60


class Proxy:
    """A door that stays the same while what is behind it comes and goes."""

    def __init__(self, target):
        self.target = target
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.listener.getsockname()[1]
        self.lock = threading.Lock()
        self.sockets = set()
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self):
        """Closes the door."""
        self.listener.close()
        self.cut()

    def cut(self):
        """Breaks every connection, as a cable that is pulled and a peer that says so."""
        with self.lock:
            sockets, self.sockets = self.sockets, set()
        for each in sockets:
            try:
                each.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            each.close()

    def _serve(self):
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            try:
                host, port = self.target.rsplit(":", 1)
                far = socket.create_connection((host, int(port)), timeout=5)
                far.settimeout(None)
            except (OSError, AttributeError):
                # Nobody is behind the door.
                near.close()
                continue
            for each in (near, far):
                each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self.lock:
                self.sockets |= {near, far}
            threading.Thread(target=self._pump, args=(near, far), daemon=True).start()
            threading.Thread(target=self._pump, args=(far, near), daemon=True).start()

    def _pump(self, source, sink):
        try:
            while data := source.recv(65536):
                sink.sendall(data)
        except OSError:
            pass
        for each in (source, sink):
            try:
                each.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


class Program:
    """An example as a process; its lines are read as they come."""

    def __init__(self, command, directory):
        self.said = []
        self.lines = queue.Queue()
        self.process = subprocess.Popen(
            command, cwd=directory, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for line in self.process.stdout:
            self.lines.put(line.rstrip("\n"))
        self.lines.put(None)

    def until(self, beginning):
        """Waits for a line that begins like this, and returns it."""
        until = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                line = self.lines.get(timeout=max(0.0, until - time.monotonic()))
            except queue.Empty:
                line = None
            if line is None:
                raise AssertionError(f"no line '{beginning}...' in:\n" + "\n".join(self.said))
            self.said.append(line)
            if line.startswith(beginning):
                return line

    def end(self):
        """Waits until it ends by itself; its exit code must be 0."""
        while (line := self.lines.get(timeout=PATIENCE_SECONDS)) is not None:
            self.said.append(line)
        code = self.process.wait(PATIENCE_SECONDS)
        assert code == 0, f"it ended with {code}:\n" + "\n".join(self.said)

    def kill(self):
        """Ends it in any case."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.reader.join(PATIENCE_SECONDS)
        self.process.stdout.close()


def python(name):
    return [sys.executable, str(EXAMPLES / "python" / f"{name}.py")]


def node(name):
    return ["node", str(EXAMPLES / "node" / f"{name}.js")]


def rust(name):
    return [str(binary().parent / "examples" / name)]


class ExampleTest:
    """What every pair of gateway and agent must do; the pairs are below."""

    gateway = None
    agent = None

    def setUp(self):
        self.directory = Path(tempfile.mkdtemp(prefix="usher-examples-"))
        self.addCleanup(shutil.rmtree, self.directory)
        self.server = Server(self.config()).start()
        self.addCleanup(self.server.stop)
        self.proxy = Proxy(self.server.grpc)
        self.addCleanup(self.proxy.close)

    def config(self):
        """The configuration; where the test is about a server that remembers, with a journal that outlives it."""
        if "remembers" not in self.id():
            return CONFIG
        config = self.directory / "usher.toml"
        journal = f'path = "{self.directory / "journal"}"'
        config.write_text(CONFIG.read_text(encoding="utf-8").replace('backend = "memory"', journal), encoding="utf-8")
        return config

    def program(self, command, *arguments):
        program = Program([*command, "--addr", self.proxy.address, *arguments], ROOT)
        self.addCleanup(program.kill)
        return program

    def desk(self):
        desk = self.program(self.agent, "--agent", "ana")
        desk.until("signed in ana")
        return desk

    def callers(self, count, talk):
        return self.program(self.gateway, "--gateway", "gate", "--contacts", str(count), "--talk", str(talk))

    def watch(self):
        """Follows all contacts at the server itself, past the proxy."""
        client = Client(self.server.grpc)
        self.addCleanup(client.close)
        watch = client.ContactService.WatchContacts()
        self.addCleanup(watch.close)
        while watch.next().WhichOneof("item") != "snapshot_complete":
            pass
        return watch

    def all_completed(self, gateway, count):
        """The gateway ends well and says of every caller that he was served."""
        gateway.end()
        outcomes = json.loads(gateway.said[-1])
        self.assertEqual(outcomes, {f"gate-{number}": "COMPLETED" for number in range(1, count + 1)})

    def lives(self, watch, counts, lives=None):
        """Reads on until events have happened as often as `counts` says; returns what happened to each contact: the
        names of its events, behind those in `lives`."""
        lives = {} if lives is None else lives
        while any(sum(name in life for life in lives.values()) < count for name, count in counts.items()):
            message = watch.next(PATIENCE_SECONDS)
            if message.WhichOneof("item") == "event":
                name = message.event.WhichOneof("payload")
                payload = getattr(message.event, name)
                lives.setdefault(payload.contact_id, []).append(name)
                if name == "contact_closed":
                    self.assertEqual(word(payload, "outcome"), "COMPLETED", payload)
        return lives

    def each_once(self, lives, count):
        """Nothing was lost and nothing happened twice."""
        self.assertEqual(sorted(lives), [f"gate-{number}" for number in range(1, count + 1)])
        for contact_id, life in lives.items():
            for name in ["contact_created", "contact_queued", "leg_connected", "contact_ended", "contact_closed"]:
                self.assertEqual(life.count(name), 1, f"{name} of {contact_id} in {life}")

    def test_a_whole_life_over_broken_connections(self):
        """The connection breaks while one talks and others wait, again and again."""
        watch = self.watch()
        desk = self.desk()
        gateway = self.callers(3, 0.5)
        for number in (1, 2, 3):
            gateway.until("bridged gate-")
            self.proxy.cut()
            if number == 2:
                # And once where the desktop has an offer in hand.
                self.proxy.cut()
        self.all_completed(gateway, 3)
        self.each_once(self.lives(watch, {"contact_closed": 3}), 3)
        desk.process.send_signal(signal.SIGTERM)
        desk.end()
        self.assertEqual(desk.said[-1], "signed out ana")

    def test_a_server_that_drains_and_another_that_comes(self):
        """The server is told to go while one talks and others wait. The next one knows nobody; it learns of those who
        wait from the gateway, under their ids, once."""
        self.desk()
        gateway = self.callers(3, 2)
        talking = gateway.until("bridged gate-").removeprefix("bridged ")
        waiting = {"gate-1", "gate-2", "gate-3"} - {talking}
        self.proxy.target = None
        self.server.stop()
        heard = {gateway.until("usher is away: gate-").split()[3] for _ in waiting}
        self.assertEqual(heard, waiting)
        self.server.start()
        watch = self.watch()
        self.proxy.target = self.server.grpc
        lives = self.lives(watch, {"contact_closed": 2})
        self.all_completed(gateway, 3)
        self.assertEqual(set(lives), waiting)
        for contact_id, life in lives.items():
            for name in ["contact_created", "contact_queued", "leg_connected", "contact_ended", "contact_closed"]:
                self.assertEqual(life.count(name), 1, f"{name} of {contact_id} in {life}")


    def test_a_server_that_fails_and_remembers(self):
        """The server is killed while one talks and others wait, and comes back with its journal: everybody is where he
        was, and the one who talked meanwhile is completed there too."""
        watch = self.watch()
        self.desk()
        gateway = self.callers(3, 2)
        gateway.until("bridged gate-")
        lives = self.lives(watch, {"contact_created": 3, "leg_connected": 1})
        self.proxy.target = None
        self.server.kill()
        self.server.start()
        watch = self.watch()
        self.proxy.target = self.server.grpc
        self.all_completed(gateway, 3)
        self.each_once(self.lives(watch, {"contact_closed": 3}, lives), 3)


def setUpModule():
    """Makes the Python classes of the API, as the example's README says."""
    environment = {**os.environ, "PYTHON": sys.executable}
    subprocess.run([EXAMPLES / "python" / "generate"], check=True, env=environment)


class PythonExamples(ExampleTest, unittest.TestCase):
    gateway = python("gateway")
    agent = python("agent")


@unittest.skipUnless(shutil.which("node") and (EXAMPLES / "node" / "node_modules").is_dir(), "needs npm ci in examples/node")
class NodeExamples(ExampleTest, unittest.TestCase):
    gateway = node("gateway")
    agent = node("agent")


class RustGateway(ExampleTest, unittest.TestCase):
    gateway = rust("gateway")
    agent = python("agent")


if __name__ == "__main__":
    unittest.main()
