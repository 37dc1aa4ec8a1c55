"""Contacts that name no queue: where the classification rules send them, and asking again."""

from harness import ServerTest

CONFIG = """
[[tenants]]
id = "default"
[[tenants.skills]]
id = "french"
[[tenants.queues]]
id = "sales"
[[tenants.queues]]
id = "support"
[[tenants.queues]]
id = "gold"
[[tenants.teams]]
id = "all"
queues = [{ id = "*" }]
[[tenants.agents]]
id = "ana"
team = "all"
skills = { french = 5 }

[tenants.classification]
fallback = "sales"
[[tenants.classification.rules]]
when = "attr.customer_value >= 100"
queue = "gold"
set_priority = 9
set_requirement = "french >= 2"
[[tenants.classification.rules]]
channels = ["chat"]
queue = "support"
"""


class Classification(ServerTest):
    text = CONFIG

    def made(self, contact_id, channel="voice", **more):
        contact = {"contact_id": contact_id, "channel": channel, "gateway_id": "gw"} | more
        return self.contacts.CreateContact(contact=contact).contact

    def test_rules_say_where_a_contact_goes_and_say_it_again(self):
        self.assertEqual(self.made("c-1").queue, "sales")
        self.assertEqual(self.made("c-2", "chat").queue, "support")
        gold = self.made("c-3", "chat", attributes={"customer_value": {"int64_value": 250}})
        self.assertEqual((gold.queue, gold.priority, gold.requirements), ("gold", 9, "french >= 2"))
        self.assertEqual(self.made("c-4", "chat", queue="sales").queue, "sales")

        watch = self.contacts.WatchContacts(gateway_id="gw")
        self.addCleanup(watch.close)
        while watch.next().WhichOneof("item") != "snapshot_complete":
            pass
        same = self.contacts.ReclassifyContact(contact_id="c-2")
        self.assertEqual((same.contact.queue, same.rule), ("support", 1))
        fallback = self.contacts.ReclassifyContact(contact_id="c-1")
        self.assertEqual((fallback.contact.queue, fallback.HasField("rule")), ("sales", False))

        self.contacts.UpdateContact(
            contact={"contact_id": "c-1", "attributes": {"customer_value": {"int64_value": 100}}},
            update_mask="attributes",
        )
        moved = self.contacts.ReclassifyContact(contact_id="c-1", request_id="again")
        self.assertEqual((moved.contact.queue, moved.contact.priority, moved.rule), ("gold", 9, 0))
        self.assertTrue(moved.HasField("rule"))
        changed = watch.until("contact_updated", lambda it: it.contact_id == "c-1" and it.cause == 3)
        self.assertEqual(changed.new_values.requirements, "french >= 2")
        left = watch.until("contact_moved", lambda it: it.contact_id == "c-1")
        self.assertEqual((left.queue, left.to_queue, left.cause), ("sales", "gold", 7))
        repeat = self.contacts.ReclassifyContact(contact_id="c-1", request_id="again")
        self.assertEqual((repeat.sequence, repeat.rule), (moved.sequence, 0))

        named = self.contacts.ReclassifyContact(contact_id="c-1", queue="support")
        self.assertEqual((named.contact.queue, named.contact.priority, named.HasField("rule")), ("support", 9, False))
