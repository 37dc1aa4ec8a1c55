"""Steps of a queue and preferred agents, as a client sees them: in resources, events, snapshots and metrics."""

import urllib.request

from harness import ServerTest

CONFIG = """
[[tenants]]
id = "default"
[[tenants.skills]]
id = "french"
[[tenants.queues]]
id = "sales"
require = "french >= 3"
steps = [{ prefer = "preferred_agent" }, { after = "1h" }, { after = "2h", require = "true" }]
[[tenants.queues]]
id = "quick"
require = "french >= 3"
steps = [{ after = "100ms", require = "french >= 1" }]
[[tenants.teams]]
id = "all"
queues = [{ id = "*" }]
[[tenants.agents]]
id = "ana"
team = "all"
skills = { french = 1 }
capacity = 1000
[[tenants.agents]]
id = "ben"
team = "all"
skills = { french = 5 }
"""


class Steps(ServerTest):
    text = CONFIG

    def test_steps_and_preferred_agents(self):
        gateway = self.contacts.WatchContacts(gateway_id="gw-1")
        self.addCleanup(gateway.close)
        self.agents.SignIn(agent_id="ana", presence="PRESENCE_AVAILABLE")
        self.agents.SignIn(agent_id="ben", presence="PRESENCE_NOT_READY")

        # Nobody is gated, and more agents come with time.
        self.create("c-1", "quick")
        relaxed = gateway.until("contact_relaxed", lambda it: it.contact_id == "c-1")
        self.assertEqual((relaxed.step_before, relaxed.step_after, list(relaxed.steps_skipped)), (0, 1, []))
        self.assertEqual(relaxed.requirements_before, "french >= 3")
        self.assertIn("french >= 1", relaxed.requirements_after)
        offered = gateway.until("offer_issued", lambda it: it.contact_id == "c-1")
        self.assertEqual((offered.agent_id, offered.step), ("ana", 1))
        self.assertEqual(self.contacts.GetContact(contact_id="c-1").contact.step, 1)

        # The preferred agent is waited for, until he signs out.
        made = self.create("c-2", "sales", preferred_agent_id="ben")
        self.assertEqual((made.preferred_agent_id, made.step), ("ben", 0))
        queue = next(it for it in self.supervisors.GetSnapshot().snapshot.queues if it.queue == "sales")
        self.assertEqual(list(queue.waiting_by_step), [1])
        self.agents.SignOut(agent_id="ben")
        relaxed = gateway.until("contact_relaxed", lambda it: it.contact_id == "c-2")
        self.assertEqual((relaxed.step_before, relaxed.step_after), (0, 1))
        self.assertTrue(relaxed.HasField("next_step_time"))

        # One who is not there is not waited for: the step is passed over.
        made = self.create("c-3", "sales", preferred_agent_id="nobody")
        self.assertEqual(made.step, 1)
        relaxed = gateway.until("contact_relaxed", lambda it: it.contact_id == "c-3")
        self.assertEqual(list(relaxed.steps_skipped), [0])
        self.contacts.UpdateContact(
            contact={"contact_id": "c-3", "preferred_agent_id": "ana"}, update_mask="preferredAgentId"
        )
        self.assertEqual(self.contacts.GetContact(contact_id="c-3").contact.preferred_agent_id, "ana")

        with urllib.request.urlopen(f"http://{self.server.http}/metrics", timeout=10) as page:
            text = page.read().decode()
        self.assertIn('usher_steps_begun_total{tenant="default",queue="sales",step="1"} 2', text)
        self.assertIn('usher_steps_skipped_total{tenant="default",queue="sales",step="0"} 1', text)

    def create(self, contact_id, queue, **fields):
        contact = {"contact_id": contact_id, "gateway_id": "gw-1", "channel": "chat", "queue": queue, **fields}
        return self.contacts.CreateContact(contact=contact).contact
