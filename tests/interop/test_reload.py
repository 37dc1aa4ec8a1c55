"""Configuration that changes while the server runs: by the file, by SIGHUP, by gRPC; and what it leaves as it is."""

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import urllib.request
from pathlib import Path

import harness

# Rounds of all three doors; more with USHER_RELOADS.
RELOADS = int(os.environ.get("USHER_RELOADS", "60"))

CONFIG = """
[[tenants]]
id = "default"
session_lease = "0s"
[[tenants.skills]]
id = "french"
[[tenants.queues]]
id = "sales"
wrap_up = { mode = "timed", duration = "30s" }
[[tenants.queues]]
id = "care"
[[tenants.teams]]
id = "desk"
queues = [{ id = "sales" }, { id = "care" }]
[[tenants.agents]]
id = "ana"
team = "desk"
"""


def threshold(seconds, config=CONFIG):
    """The configuration with another promise for sales: a version of its own."""
    promise = f'service_level = {{ threshold = "{seconds}s" }}\n'
    return config.replace('id = "sales"\nwrap_up', f'id = "sales"\n{promise}wrap_up')


def with_post(config):
    """The configuration with an agent who is always free for queue `post`, and offers that ring as long as it takes."""
    return (
        config
        + '[[tenants.channels]]\nid = "voice"\noffer_timeout = "10m"\n'
        + '[[tenants.queues]]\nid = "post"\n'
        + '[[tenants.teams]]\nid = "post"\nqueues = [{ id = "post" }]\n'
        + '[[tenants.agents]]\nid = "bo"\nteam = "post"\n'
    )


def p99(times):
    """The 99th percentile."""
    return sorted(times)[int((len(times) - 1) * 0.99)]


class Probe:
    """Contacts that come for an idle agent, one after the other, and leave when they are offered."""

    def __init__(self, address):
        self.client = harness.Client(address)
        self.made = 0

    def __enter__(self):
        self.client.__enter__()
        self.client.AgentService.SignIn(agent_id="bo", presence="PRESENCE_AVAILABLE")
        return self

    def __exit__(self, *reason):
        return self.client.__exit__(*reason)

    def measure(self, until):
        """Milliseconds from each arrival to its offer."""
        times = []
        while not until(len(times)):
            self.made += 1
            contact = {"contact_id": f"p{self.made}", "channel": "voice", "queue": "post"}
            begun = time.monotonic()
            created = self.client.ContactService.CreateContact(contact=contact).contact
            times.append((time.monotonic() - begun) * 1e3)
            if len(created.offers) != 1:
                raise AssertionError(f"no offer in the step of the arrival: {created}")
            self.client.ContactService.CancelContact(contact_id=contact["contact_id"], cause="CANCEL_CAUSE_CUSTOMER_LEFT")
        return times

    def begin(self):
        """Measures beside what follows; the function returned ends it and gives the times."""
        ended, times = threading.Event(), []
        thread = threading.Thread(target=lambda: times.extend(self.measure(lambda _: ended.is_set())))
        thread.start()

        def end():
            ended.set()
            thread.join()
            return times

        return end


class ReloadTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.folder.cleanup)
        source = Path(cls.folder.name) / "usher.toml"
        source.write_text(CONFIG)

    def setUp(self):
        self.server = self.enterContext(harness.Server(config=Path(self.folder.name) / "usher.toml"))
        self.client = self.enterContext(harness.Client(self.server.grpc))
        self.admin = self.client.AdminService
        self.contacts = self.client.ContactService
        self.agents = self.client.AgentService
        self.path = self.server.dir / "usher.toml"

    def version(self):
        return self.admin.GetConfig().version.version

    def until_version(self, wanted):
        """Asks until the version is in force: a file's change and a signal have no answer of their own."""
        until = time.monotonic() + harness.CALL_SECONDS
        while self.version() < wanted:
            self.assertLess(time.monotonic(), until, f"version {wanted} never came:\n{self.server.said()}")
        self.assertEqual(self.version(), wanted)

    def write(self, text):
        """Replaces the file as an editor does: whole, by renaming."""
        part = self.path.with_suffix(".part")
        part.write_text(harness.with_free_ports(text))
        part.rename(self.path)

    def hangup(self):
        os.kill(self.server.process.pid, signal.SIGHUP)

    def reloads(self):
        """What was counted, by (result, trigger), and whether the last was good."""
        with urllib.request.urlopen(f"http://{self.server.http}/metrics") as answer:
            text = answer.read().decode()
        found = re.findall(r'usher_config_reloads_total\{result="(\w+)",trigger="(\w+)"\} (\d+)', text)
        good = re.search(r"^usher_config_last_reload_successful (\d)$", text, re.M).group(1)
        return {(result, trigger): int(count) for result, trigger, count in found}, good == "1"

    def until_counted(self, result, trigger):
        """Asks until an attempt has ended so."""
        until = time.monotonic() + harness.CALL_SECONDS
        while not self.reloads()[0][result, trigger]:
            self.assertLess(time.monotonic(), until, self.server.said())

    def talk(self, contact_id, agent_id="ana"):
        """A contact of sales in conversation with the agent."""
        created = self.contacts.CreateContact(
            contact={"contact_id": contact_id, "channel": "voice", "queue": "sales"}
        ).contact
        self.agents.AcceptOffer(agent_id=agent_id, offer_id=created.offers[0].offer_id)
        return self.contacts.ConnectContact(contact_id=contact_id).contact

    def test_one_edit_is_one_version_through_every_door(self):
        self.assertEqual(self.version(), 1)
        self.write(threshold(21))
        self.until_version(2)
        # The same file again, by hand: read, and nothing new in it.
        self.hangup()
        self.until_counted("unchanged", "sighup")
        self.write(threshold(22))
        self.until_version(3)
        answer = self.admin.ApplyConfig(config=threshold(23), comment="by hand", request_id="r1")
        self.assertEqual(answer.version.version, 4)
        self.assertEqual(answer.version.comment, "by hand")
        self.assertEqual(
            [(one.path, one.before, one.after) for one in answer.diffs[0].differences if not one.restart_only],
            [("queues.sales.service_level.threshold", '"22s"', '"23s"')],
        )
        again = self.admin.ApplyConfig(config=threshold(23), comment="by hand", request_id="r1")
        self.assertEqual((again.version.version, again.sequence), (4, answer.sequence))
        self.assertEqual(self.admin.ApplyConfig(config=threshold(23)).version.version, 4, "identical content")
        self.assertEqual(self.admin.RollbackConfig(version=2).version.rolled_back_to, 2)
        answer = self.admin.GetConfig(include_history=True)
        self.assertIn('threshold = "21s"', answer.config)
        self.assertEqual([held.version for held in answer.history], [5, 4, 3, 2, 1])
        # The file was not touched: what was rolled back stays in force until somebody asks for the file.
        self.assertEqual(self.version(), 5)
        self.hangup()
        self.until_version(6)
        counted, good = self.reloads()
        self.assertTrue(good)
        self.assertEqual(counted["applied", "rollback"], 1)
        self.assertEqual(counted["applied", "rpc"], 1)
        self.assertEqual(sum(count for (result, _), count in counted.items() if result == "applied"), 5)
        self.assertFalse([count for (result, _), count in counted.items() if result == "refused" and count])

    def test_a_faulty_file_changes_nothing(self):
        self.write(threshold(21).replace("[[tenants.teams]]", "[[tenants.teem]]"))
        self.hangup()
        self.until_counted("refused", "sighup")
        self.assertFalse(self.reloads()[1])
        self.assertEqual(self.version(), 1)
        self.assertIn("unknown key `teem`", self.server.said(200))
        self.write(threshold(21))
        self.until_version(2)
        self.assertTrue(self.reloads()[1])

    def test_faults_are_told_by_place_and_kind(self):
        broken = CONFIG.replace("[[tenants.skills]]", "[[tenants.skils]]").replace("30s", "30x")
        answer = self.admin.ValidateConfig(config=broken)
        self.assertFalse(answer.valid)
        told = [(fault.line, fault.column, fault.code, fault.path, fault.suggestion) for fault in answer.faults]
        self.assertIn((5, 11, "UNKNOWN_KEY", "tenants[0].skils", "skills"), told)
        self.assertIn("tenants[0].queues[0].wrap_up.duration", [path for _, _, _, path, _ in told])
        with self.assertRaises(harness.Refusal) as caught:
            self.admin.ApplyConfig(config=broken)
        self.assertEqual((caught.exception.code, caught.exception.reason), ("INVALID_ARGUMENT", "CONFIG_INVALID"))
        self.assertEqual(caught.exception.fields[0][0], "config.tenants[0].skils")
        good = self.admin.ValidateConfig(config=threshold(40))
        self.assertTrue(good.valid)
        self.assertEqual((good.diffs[0].version_before, good.diffs[0].version_after), (1, 2))
        self.assertEqual(self.admin.ApplyConfig(config=threshold(40), dry_run=True).version.version, 1)
        self.assertEqual(self.version(), 1)

    def test_a_file_is_compared_before_it_is_applied(self):
        other = Path(self.folder.name) / "next.toml"
        other.write_text(harness.with_free_ports(threshold(45)).replace("[server]", '[server]\ndrain_grace = "7s"'))
        for against in (self.server.grpc, str(self.path)):
            with self.subTest(against):
                command = [harness.binary(), "check-config", other, "--against", against]
                said = subprocess.run(command, capture_output=True, text=True)
                self.assertEqual(said.returncode, 0, said.stderr)
                self.assertIn('queues.sales.service_level.threshold = "20s" -> "45s"', said.stdout)
                self.assertIn('server.drain_grace = "30s" -> "7s"  (takes a restart)', said.stdout)
                told = json.loads(subprocess.run([*command, "--json"], capture_output=True, text=True).stdout)
                self.assertEqual(len(told["changes"][0]["differences"]), 2)
        self.assertEqual(self.version(), 1)
        gone = subprocess.run([harness.binary(), "check-config", other, "--against", "127.0.0.1:1"], capture_output=True)
        self.assertEqual(gone.returncode, 1)

    def test_refusals_of_a_change(self):
        def refused(method, code, reason, **fields):
            with self.assertRaises(harness.Refusal) as caught:
                method(**fields)
            self.assertEqual((caught.exception.code, caught.exception.reason), (code, reason))

        state, argument, missing = "FAILED_PRECONDITION", "INVALID_ARGUMENT", "NOT_FOUND"
        refused(self.admin.ApplyConfig, argument, "FIELD_INVALID")
        refused(self.admin.ApplyConfig, argument, "FIELD_INVALID", config=CONFIG, comment="x" * 257)
        refused(self.admin.ApplyConfig, "ABORTED", "VERSION_MISMATCH", config=threshold(9), expected_version=7)
        refused(self.admin.GetConfig, missing, "VERSION_NOT_FOUND", version=7)
        refused(self.admin.GetConfig, missing, "TENANT_NOT_FOUND", tenant="nobody")
        refused(self.admin.RollbackConfig, missing, "VERSION_NOT_FOUND")
        without = CONFIG.replace('[[tenants.queues]]\nid = "care"\n', "").replace(', { id = "care" }', "")
        self.contacts.CreateContact(contact={"contact_id": "w", "channel": "voice", "queue": "care"})
        refused(self.admin.ApplyConfig, state, "QUEUE_HOLDS_CONTACTS", config=without)
        answer = self.admin.ApplyConfig(config=without, removed_queues=[{"queue": "care", "target": "sales"}])
        self.assertEqual(answer.diffs[0].contacts_moved, 1)
        self.assertEqual(self.contacts.GetContact(contact_id="w").contact.queue, "sales")
        self.assertEqual(self.version(), 2)

    def test_work_in_hand_keeps_the_rules_it_began_with(self):
        self.agents.SignIn(agent_id="ana", presence="PRESENCE_AVAILABLE")
        self.talk("c1")
        self.admin.ApplyConfig(config=threshold(33).replace('duration = "30s"', 'duration = "1s"'))
        self.contacts.CompleteContact(contact_id="c1")
        leg = self.contacts.GetContact(contact_id="c1").contact.legs[0]
        self.assertEqual(harness.word(leg, "state"), "WRAP_UP")
        self.assertGreater(harness.instant(leg.deadline_time) - harness.instant(leg.connect_time), 29)
        self.agents.CompleteWrapUp(agent_id="ana", contact_id="c1")
        with urllib.request.urlopen(f"http://{self.server.http}/metrics") as answer:
            text = answer.read().decode()
        self.assertRegex(text, r'usher_contacts_answered_total\{[^}]*queue="sales"[^}]*\} 1\b')

    def resident(self):
        """Memory of the server in MB."""
        with urllib.request.urlopen(f"http://{self.server.http}/metrics") as answer:
            text = answer.read().decode()
        return float(re.search(r"^process_resident_memory_bytes (\S+)$", text, re.M).group(1)) / 1e6

    def queued(self):
        """How many contacts wait in line: all pages, of which those over many ended contacts may be empty."""
        found, token = 0, ""
        while True:
            page = self.contacts.ListContacts(states=["CONTACT_STATE_QUEUED"], page_token=token)
            found, token = found + len(page.contacts), page.next_page_token
            if not token:
                return found

    def test_many_reloads_lose_nothing(self):
        """Every door in turn, with contacts coming, waiting and going all the while.

        How long an offer takes with and without reloads beside it, and the memory a contact leaves behind in both cases
        (ended contacts are kept for `retention`), are printed: they are to be looked at with many reloads, such as
        USHER_RELOADS=1000.
        """
        self.admin.ApplyConfig(config=threshold(99, with_post(CONFIG)))
        probe = self.enterContext(Probe(self.server.grpc))
        empty = self.resident()
        alone = probe.measure(until=lambda done: done >= RELOADS * 20)
        before = self.resident()
        beside = probe.begin()
        waiting = [f"w{number}" for number in range(20)]
        for contact_id in waiting:
            self.contacts.CreateContact(contact={"contact_id": contact_id, "channel": "voice", "queue": "sales"})
        self.agents.SignIn(agent_id="ana", presence="PRESENCE_AVAILABLE")
        served = []
        for number in range(RELOADS):
            config = threshold(100 + number, with_post(CONFIG))
            if number % 3 == 0:
                self.admin.ApplyConfig(config=config)
            else:
                self.write(config)
                if number % 3 == 1:
                    self.hangup()
            self.until_version(number + 3)
            agent = self.agents.GetAgent(agent_id="ana").agent
            self.assertEqual(self.queued() + 1 + len(served), 20)
            self.assertEqual(agent.load.used_units, 100)
            if number % 10 == 9 and len(served) < 15:
                first = waiting[len(served)]
                offer = self.contacts.GetContact(contact_id=first).contact.offers[0]
                self.agents.AcceptOffer(agent_id="ana", offer_id=offer.offer_id)
                self.contacts.ConnectContact(contact_id=first)
                self.contacts.CompleteContact(contact_id=first)
                self.agents.CompleteWrapUp(agent_id="ana", contact_id=first)
                served.append(first)
        during = beside()
        self.assertEqual(self.version(), RELOADS + 2)
        self.assertGreater(len(during), 0)
        print(
            f"{RELOADS} reloads: p99 of an offer {p99(alone):.2f} ms alone ({len(alone)} of them), {p99(during):.2f} ms"
            f" beside ({len(during)}), ratio {p99(during) / p99(alone):.2f};"
            f" resident {before:.1f} MB, {self.resident():.1f} MB after: {(before - empty) / len(alone) * 1e6:.0f} bytes a"
            f" contact alone, {(self.resident() - before) / len(during) * 1e6:.0f} beside",
            file=sys.stderr,
        )


if __name__ == "__main__":
    unittest.main()
