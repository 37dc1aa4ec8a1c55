"""What Prometheus is given: promtool finds nothing to say about it, and every metric is described."""

import shutil
import subprocess
import unittest
import urllib.request

from harness import ROOT, ServerTest


class Metrics(ServerTest):
    # The example is what most people run first.
    config = ROOT / "config" / "usher.toml"

    def get(self, path):
        """The text at a path of the HTTP door."""
        with urllib.request.urlopen(f"http://{self.server.http}{path}", timeout=10) as answer:
            self.assertEqual(answer.status, 200, path)
            return answer.read().decode("utf-8")

    def serve_one(self):
        """One answered contact and one that leaves, so that most series exist."""
        self.agents.SignIn(agent_id="ana", presence="PRESENCE_AVAILABLE")
        made = self.contacts.CreateContact(contact={"contact_id": "served", "channel": "voice", "queue": "sales"})
        self.assertWord(made.contact, "state", "OFFERED")
        self.agents.AcceptOffer(agent_id="ana", offer_id=made.contact.offers[0].offer_id)
        self.contacts.ConnectContact(contact_id="served")
        self.contacts.CompleteContact(contact_id="served", disposition="sale")
        self.contacts.CreateContact(contact={"contact_id": "left", "channel": "voice", "queue": "sales"})
        self.contacts.CancelContact(contact_id="left", cause="CANCEL_CAUSE_CUSTOMER_LEFT")

    def test_promtool_has_nothing_to_say(self):
        promtool = shutil.which("promtool")
        if promtool is None:
            self.skipTest("promtool is not installed")
        self.serve_one()
        text = self.get("/metrics")
        checked = subprocess.run([promtool, "check", "metrics"], input=text, capture_output=True, text=True, timeout=60)
        self.assertEqual((checked.returncode, checked.stderr), (0, ""), checked.stdout)

    def test_every_metric_is_described_and_ours(self):
        text = self.get("/metrics")
        lines = text.splitlines()
        typed = {line.split()[2] for line in lines if line.startswith("# TYPE ")}
        helped = {line.split()[2] for line in lines if line.startswith("# HELP ") and len(line.split()) > 3}
        self.assertTrue(typed, "no metrics")
        self.assertEqual(typed - helped, set(), "metrics without HELP")
        strangers = [name for name in typed if not name.startswith(("usher_", "process_"))]
        self.assertEqual(strangers, [])
        summaries = [line for line in lines if line.startswith("# TYPE ") and line.endswith(" summary")]
        self.assertEqual(summaries, [], "a histogram without buckets is told as a summary, which cannot be added up")

    def test_the_server_says_that_it_lives_and_is_ready(self):
        self.get("/healthz")
        self.get("/readyz")


if __name__ == "__main__":
    unittest.main()
