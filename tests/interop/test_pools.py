"""Named pools: what one agent may take at once and in a day."""

from harness import ServerTest

CONFIG = """
[[tenants]]
id = "default"
time_zone = "Europe/Lisbon"
[[tenants.pools]]
id = "complaints"
max = 3
per_day = 2
reset = "04:00"
[[tenants.channels]]
id = "chat"
pools = ["complaints"]
[[tenants.queues]]
id = "sales"
[[tenants.teams]]
id = "all"
queues = [{ id = "*" }]
[[tenants.agents]]
id = "ana"
team = "all"
"""


class Pools(ServerTest):
    text = CONFIG

    def made(self, contact_id):
        contact = {"contact_id": contact_id, "channel": "chat", "queue": "sales"}
        return self.contacts.CreateContact(contact=contact).contact

    def pool(self):
        [pool] = self.agents.GetAgent(agent_id="ana").agent.load.pools
        return pool

    def test_an_agent_takes_so_many_a_day_and_no_more(self):
        self.agents.SignIn(agent_id="ana", presence="PRESENCE_AVAILABLE", session_lease="0s")
        for contact_id in ("c-1", "c-2"):
            offer = self.made(contact_id).offers[0]
            self.agents.AcceptOffer(agent_id="ana", offer_id=offer.offer_id)
            self.contacts.CompleteContact(contact_id=contact_id)
        self.assertWord(self.made("c-3"), "state", "QUEUED")
        pool = self.pool()
        self.assertEqual((pool.pool, pool.legs, pool.max_legs, pool.taken_today, pool.per_day), ("complaints", 0, 3, 2, 2))
        self.assertTrue(pool.HasField("reset_time"))

        picked = self.agents.PickContact.request(agent_id="ana", contact_id="c-3")
        self.refused(self.agents.PickContact, picked, "FAILED_PRECONDITION", "AGENT_POOL_CAP")
        self.supervisors.AssignContact(contact_id="c-3", agent_id="ana")
        self.assertEqual((self.pool().legs, self.pool().taken_today), (1, 3))

        # Another bound with the counts of the day.
        self.made("c-4")
        self.client.AdminService.ApplyConfig(config=CONFIG.replace("per_day = 2", "per_day = 4"))
        self.assertWord(self.contacts.GetContact(contact_id="c-4").contact, "state", "OFFERED")
        self.assertEqual((self.pool().taken_today, self.pool().per_day), (3, 4))
