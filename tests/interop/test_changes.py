"""What events say of a change: what was before it, and what is now, of the fields that changed alone."""

from harness import ServerTest

CONFIG = """
[[tenants]]
id = "default"
[[tenants.skills]]
id = "french"
[[tenants.queues]]
id = "sales"
[[tenants.teams]]
id = "desk"
queues = [{ id = "*" }]
"""


class Changes(ServerTest):
    text = CONFIG

    def told(self, watch, name):
        """Reads on to the next event of a name."""
        while True:
            for event in watch.next().events:
                if event.WhichOneof("payload") == name:
                    return getattr(event, name)

    def test_a_changed_contact_and_a_changed_agent_are_told_with_what_was(self):
        watch = self.supervisors.WatchEvents(event_names=["agent_upserted", "contact_updated"])
        self.addCleanup(watch.close)
        ana = {"agent_id": "ana", "team": "desk", "skills": {"french": 3}}
        self.supervisors.UpsertAgent(agent=ana)
        first = self.told(watch, "agent_upserted")
        self.assertFalse(first.HasField("before"))
        self.assertEqual(first.after.skills["french"], 3)
        self.supervisors.UpsertAgent(agent=ana | {"skills": {"french": 8}})
        second = self.told(watch, "agent_upserted")
        self.assertEqual((second.before.skills["french"], second.after.skills["french"]), (3, 8))

        contact = {"contact_id": "c-1", "channel": "voice", "queue": "sales", "requirements": "french >= 5", "priority": 2}
        self.contacts.CreateContact(contact=contact | {"customer_id": "1234"})
        self.contacts.UpdateContact(
            contact={"contact_id": "c-1", "priority": 7, "customer_id": "5678"}, update_mask="priority,customerId"
        )
        changed = self.told(watch, "contact_updated")
        self.assertEqual((changed.old_values.priority, changed.new_values.priority), (2, 7))
        self.assertEqual((changed.old_values.requirements, changed.new_values.requirements), ("", ""))
        self.assertEqual((changed.old_values.customer_id, changed.new_values.customer_id), ("", "5678"))
        self.contacts.UpdateContact(contact={"contact_id": "c-1", "requirements": ""}, update_mask="requirements")
        asks = self.told(watch, "contact_updated")
        self.assertEqual((list(asks.changed_fields), asks.old_values.requirements), (["requirements"], "french >= 5"))
        self.assertEqual(asks.new_values.requirements, "")
