"""Contacts that nobody can ever serve: flagged as they come in, as they change, and as agents and the policy change."""

import urllib.request

from harness import ServerTest

CONFIG = """
[server]
grpc_listen = "127.0.0.1:0"
http_listen = "127.0.0.1:0"
[[tenants]]
id = "default"
[[tenants.skills]]
id = "french"
[[tenants.queues]]
id = "sales"
[[tenants.queues]]
id = "care"
steps = [{ after = "0s" }, { after = "1h", drop = ["french"] }]
[[tenants.teams]]
id = "desk"
queues = [{ id = "*" }]
[[tenants.agents]]
id = "ana"
team = "desk"
skills = { french = 3 }
"""


class Unservable(ServerTest):
    text = CONFIG

    def made(self, contact_id, requirements, queue="sales"):
        contact = {"contact_id": contact_id, "channel": "voice", "queue": queue, "gateway_id": "gw"}
        return self.contacts.CreateContact(contact=contact | {"requirements": requirements}).contact

    def flagged(self, contact_id):
        return self.contacts.GetContact(contact_id=contact_id).contact.unservable

    def gauge(self, queue):
        with urllib.request.urlopen(f"http://{self.server.http}/metrics", timeout=10) as page:
            lines = page.read().decode().splitlines()
        wanted = f'usher_contacts_unservable{{tenant="default",queue="{queue}",'
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(wanted))

    def test_a_contact_whose_class_nobody_has_is_told(self):
        watch = self.contacts.WatchContacts(gateway_id="gw")
        self.addCleanup(watch.close)
        while watch.next().WhichOneof("item") != "snapshot_complete":
            pass

        self.assertFalse(self.made("c-1", "french >= 3").unservable)
        self.assertTrue(self.made("c-2", "french >= 4").unservable)
        self.assertTrue(watch.until("contact_queued", lambda it: it.contact_id == "c-2").unservable)
        self.assertFalse(self.made("c-3", "french >= 4", "care").unservable, "its last step drops it")
        self.assertEqual((self.gauge("sales"), self.gauge("care")), (1, 0))

        bo = {"agent_id": "bo", "team": "desk", "skills": {"french": 9}}
        self.supervisors.UpsertAgent(agent=bo)
        again = watch.until("contact_unservable_changed")
        self.assertEqual((again.contact_id, again.unservable, again.requirements), ("c-2", False, "french >= 4"))
        self.assertFalse(self.flagged("c-2"), "somebody could, though he is signed out")
        self.supervisors.DeleteAgent(agent_id="bo")
        self.assertTrue(watch.until("contact_unservable_changed").unservable)

        change = {"contact_id": "c-2", "requirements": "french >= 2"}
        self.contacts.UpdateContact(contact=change, update_mask="requirements")
        self.assertFalse(watch.until("contact_updated", lambda it: it.contact_id == "c-2").unservable)

        lower = CONFIG.replace("french = 3", "french = 2")
        admin = self.client.AdminService
        dry = admin.ApplyConfig(config=lower, dry_run=True)
        self.assertEqual([diff.contacts_unservable for diff in dry.diffs], [1])
        self.assertFalse(self.flagged("c-1"))
        done = admin.ApplyConfig(config=lower)
        self.assertEqual([diff.contacts_unservable for diff in done.diffs], [1])
        self.assertTrue(self.flagged("c-1"))
        snapshot = self.supervisors.GetSnapshot().snapshot
        waiting = {view.queue: view.directions[0].waiting for view in snapshot.queues}
        self.assertEqual((waiting["sales"].queued, waiting["sales"].unservable), (2, 1))
