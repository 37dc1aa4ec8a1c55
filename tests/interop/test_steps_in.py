"""How agents help themselves and supervisors step in, by a client written only from reflection."""

import re
import unittest
import urllib.request

from harness import ServerTest, after


class Given(ServerTest):
    """Work without an offer: picked by an agent, given by a supervisor."""

    def agent(self, agent_id, presence="PRESENCE_NOT_READY", **more):
        self.supervisors.UpsertAgent(agent={"agent_id": agent_id, "team": "team-a", "skills": {"french": 5}, **more})
        self.agents.SignIn(agent_id=agent_id, presence=presence, session_lease="0s")
        self.addCleanup(self.agents.SignOut, agent_id=agent_id, force=True)

    def waits(self, contact_id, queue="sales", channel="voice"):
        contact = {"contact_id": contact_id, "channel": channel, "queue": queue}
        self.addCleanup(self.contacts.CancelContact, contact_id=contact_id, cause="CANCEL_CAUSE_SYSTEM")
        return self.contacts.CreateContact(contact=contact).contact

    def test_an_agent_picks_the_second_in_line(self):
        self.agent("picker")
        self.waits("first")
        self.waits("second")
        watch = self.agents.WatchAgent(agent_id="picker")
        self.addCleanup(watch.close)
        watch.next()
        picked = self.agents.PickContact(agent_id="picker", contact_id="second", request_id="pick")
        self.assertWord(picked.contact, "state", "ASSIGNED")
        self.assertEqual((picked.leg_number, picked.contact.legs[0].offer_id), (1, ""))
        again = self.agents.PickContact(agent_id="picker", contact_id="second", request_id="pick")
        self.assertEqual((again.sequence, again.leg_number), (picked.sequence, 1))
        told = watch.until("leg_assigned", lambda leg: leg.contact_id == "second")
        self.assertWord(told, "cause", "PICKED")
        request = self.agents.PickContact.request(agent_id="picker", contact_id="first")
        self.refused(self.agents.PickContact, request, "FAILED_PRECONDITION", "AGENT_NO_ROOM")
        self.assertWord(self.contacts.ConnectContact(contact_id="second").contact, "state", "CONNECTED")

    def test_what_an_agent_may_not_serve_he_cannot_pick_but_may_be_given(self):
        self.agent("stranger")
        self.waits("elsewhere", queue="store")
        request = self.agents.PickContact.request(agent_id="stranger", contact_id="elsewhere")
        self.refused(self.agents.PickContact, request, "FAILED_PRECONDITION", "AGENT_INELIGIBLE")
        asked = self.supervisors.AssignContact.request(contact_id="elsewhere", agent_id="stranger", force=False)
        self.refused(self.supervisors.AssignContact, asked, "FAILED_PRECONDITION", "AGENT_INELIGIBLE")
        given = self.supervisors.AssignContact(contact_id="elsewhere", agent_id="stranger")
        self.assertWord(given.contact, "state", "ASSIGNED")
        self.assertFalse(given.over_capacity)

    def test_a_second_contact_by_force_is_past_capacity_and_counted(self):
        self.agent("loaded")
        for name in ("one", "two"):
            self.waits(name)
        before = self.exceeded()
        self.assertFalse(self.supervisors.AssignContact(contact_id="one", agent_id="loaded").over_capacity)
        asked = self.supervisors.AssignContact.request(contact_id="two", agent_id="loaded", force=False)
        self.refused(self.supervisors.AssignContact, asked, "FAILED_PRECONDITION", "AGENT_NO_ROOM")
        given = self.supervisors.AssignContact(contact_id="two", agent_id="loaded")
        self.assertTrue(given.over_capacity)
        self.assertEqual(self.exceeded() - before, 1)
        self.assertEqual(self.agents.GetAgent(agent_id="loaded").agent.load.used_units, 200)

    def test_an_offer_to_another_is_taken_back(self):
        self.agent("offered", presence="PRESENCE_AVAILABLE")
        made = self.waits("wanted")
        self.assertWord(made, "state", "OFFERED")
        self.agent("taker")
        self.agents.PickContact(agent_id="taker", contact_id="wanted")
        late = self.agents.AcceptOffer.request(agent_id="offered", offer_id=made.offers[0].offer_id)
        self.refused(self.agents.AcceptOffer, late, "FAILED_PRECONDITION", "OFFER_CANCELLED")

    def exceeded(self):
        with urllib.request.urlopen(f"http://{self.server.http}/metrics", timeout=10) as answer:
            page = answer.read().decode()
        return int(re.search(r'^usher_capacity_exceeded_total\{.*cause="given".*\} (\d+)$', page, re.M)[1])


class Skills(ServerTest):
    """What an agent can do, changed for a time or for good."""

    def test_a_skill_lent_for_a_time_returns_by_itself(self):
        # The agent of the file: he is taught nothing for good, but may lack a skill for a while.
        self.agents.SignIn(agent_id="fixed", presence="PRESENCE_AVAILABLE", session_lease="0s")
        self.addCleanup(self.agents.SignOut, agent_id="fixed", force=True)
        watch = self.agents.WatchAgent(agent_id="fixed")
        self.addCleanup(watch.close)
        watch.next()
        lent = self.supervisors.SetAgentSkills(
            agent_id="fixed", skills={"french": 0, "german": 9}, expire_time=after(2), request_id="lend"
        ).agent
        self.assertEqual(dict(lent.skills), {"german": 9})
        overrides = [(held.skill, held.level, held.configured_level) for held in lent.skill_overrides]
        self.assertEqual(sorted(overrides), [("french", 0, 5), ("german", 9, 5)])
        self.assertEqual(self.agents.GetAgent(agent_id="fixed").agent.skill_overrides, lent.skill_overrides)
        made = self.contacts.CreateContact(contact={"contact_id": "patient", "channel": "voice", "queue": "sales"})
        self.addCleanup(self.contacts.CancelContact, contact_id="patient", cause="CANCEL_CAUSE_SYSTEM")
        self.assertWord(made.contact, "state", "QUEUED")
        told = watch.until("agent_upserted", lambda told: not told.after.skill_overrides)
        self.assertWord(told, "cause", "SKILLS_EXPIRED")
        self.assertEqual(dict(told.after.skills), {"french": 5, "german": 5})
        self.assertEqual(watch.until("offer_issued").contact_id, "patient")

    def test_a_skill_taught_for_good_stays(self):
        self.supervisors.UpsertAgent(agent={"agent_id": "pupil", "team": "team-a"})
        taught = self.supervisors.SetAgentSkills(agent_id="pupil", skills={"french": 3}).agent
        self.assertEqual((dict(taught.skills), len(taught.skill_overrides)), ({"french": 3}, 0))


class Gates(ServerTest):
    """Queues closed by hand."""

    def queue(self, queue_id):
        queues = self.supervisors.GetSnapshot().snapshot.queues
        return next(queue for queue in queues if queue.queue == queue_id)

    def told(self, events):
        """What the stream of events says of queues opened and closed, as it comes."""
        while True:
            for event in events.next().events:
                yield event.queue_open_changed

    def test_a_closed_queue_refuses_and_opens_by_itself(self):
        events = self.supervisors.WatchEvents(event_names=["queue_open_changed"], queues=["store"])
        self.addCleanup(events.close)
        shut = self.supervisors.SetQueueOpen(queue="store", open=False, expire_time=after(2), request_id="shut")
        self.assertFalse(shut.open)
        self.assertFalse(self.queue("store").open)
        self.assertEqual(self.queue("store").open_expire_time, shut.expire_time)
        late = self.contacts.CreateContact(contact={"contact_id": "late", "channel": "voice", "queue": "store"}).contact
        self.assertWord(late, "outcome", "REFUSED")
        self.assertEqual(late.reason, "queue_closed")
        asked = self.supervisors.MoveContacts.request(from_queue="sales", to_queue="store", limit=1)
        self.refused(self.supervisors.MoveContacts, asked, "FAILED_PRECONDITION", "QUEUE_CLOSED")
        told = next(told for told in self.told(events) if told.by_clock)
        self.assertEqual((told.queue, told.before, told.after, told.by_clock), ("store", False, True, True))
        self.assertTrue(self.queue("store").open)

    def test_what_is_set_by_hand_is_taken_back(self):
        self.assertFalse(self.supervisors.SetQueueOpen(queue="care", open=False).open)
        back = self.supervisors.SetQueueOpen(queue="care")
        self.assertTrue(back.open)
        again = self.supervisors.SetQueueOpen(queue="care")
        self.assertEqual(again.sequence, back.sequence, "nothing was left to take back")


if __name__ == "__main__":
    unittest.main()
