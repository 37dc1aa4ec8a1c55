"""One contact from the gateway to the agent and back, by a client written only from reflection.

Every state on the way is the one the life cycles name: of the contact, its leg, its offer and its agent.
"""

import unittest

from harness import ServerTest, instant, seconds, word


class Lifecycle(ServerTest):
    def test_one_contact_from_creation_to_the_end_of_wrap_up(self):
        self.sign_in()
        idle_since = instant(self.agent().idle_since_time)
        watch = self.agents.WatchAgent(agent_id="ana")
        self.addCleanup(watch.close)
        gateway = self.contacts.WatchContacts(gateway_id="gw-1")
        self.addCleanup(gateway.close)
        self.snapshots(watch, gateway)

        offer_id = self.offered(watch)
        self.accepted(watch, offer_id)
        self.connected(watch)
        self.held_and_resumed(watch)
        self.completed(watch)
        self.wrapped_up(watch, idle_since)

        gateway.until("contact_closed", lambda closed: closed.contact_id == "c-1")
        self.told_to_the_gateway(gateway)
        self.told_to_the_agent(watch)

    # The steps

    def sign_in(self):
        made = self.supervisors.UpsertAgent(
            agent={"agent_id": "ana", "display_name": "Ana", "team": "team-a", "skills": {"french": 5}},
            request_id="make-ana",
        )
        self.assertTrue(made.created)
        self.assertWord(made.agent, "presence", "OFFLINE")
        self.assertWord(made.agent, "routing", "OFF_QUEUE")
        self.assertWord(made.agent, "type", "HUMAN")
        self.assertEqual(made.agent.capacity, 100)
        self.assertFalse(made.agent.managed_by_config)
        self.assertFalse(made.agent.HasField("idle_since_time"), "the idle clock starts at becoming AVAILABLE")

        signed = self.agents.SignIn(agent_id="ana", presence="PRESENCE_AVAILABLE", request_id="sign-in-ana")
        self.assertGreater(signed.sequence, made.sequence)
        self.assertWord(signed.agent, "presence", "AVAILABLE")
        self.assertWord(signed.agent, "routing", "IDLE")
        self.assertTrue(signed.agent.session_alive)
        self.assertTrue(signed.agent.HasField("idle_since_time"))

    def snapshots(self, watch, gateway):
        first = watch.next()
        self.assertEqual(first.WhichOneof("item"), "snapshot")
        self.assertEqual(first.snapshot.agent.agent_id, "ana")
        self.assertWord(first.snapshot.agent, "routing", "IDLE")
        self.assertEqual((len(first.snapshot.offers), len(first.snapshot.legs)), (0, 0))
        complete = gateway.next()
        while complete.WhichOneof("item") == "snapshot":
            self.assertEqual(len(complete.snapshot.contacts), 0)
            complete = gateway.next()
        self.assertEqual(complete.WhichOneof("item"), "snapshot_complete")
        self.assertEqual(complete.snapshot_complete.contacts, 0)

    def offered(self, watch):
        made = self.contacts.CreateContact(
            contact={
                "contact_id": "c-1",
                "gateway_id": "gw-1",
                "channel": "voice",
                "queue": "sales",
                "requirements": "french >= 4",
                "attributes": {"tier": {"string_value": "gold"}},
            },
            request_id="create-c-1",
        )
        self.assertWord(made.contact, "direction", "INBOUND")
        self.assertWord(made.contact, "state", "OFFERED")
        self.assertWord(made.contact, "outcome", "UNSPECIFIED")
        self.assertEqual(made.contact.entry_number, 1)
        self.assertEqual(len(made.contact.offers), 1)
        self.leg(made.contact, "OFFERED")

        issued = watch.until("offer_issued")
        offer = issued.offer
        self.assertEqual((offer.contact_id, offer.agent_id, offer.queue), ("c-1", "ana", "sales"))
        self.assertEqual((offer.channel, offer.capacity_cost, offer.leg_number), ("voice", 100, 1))
        self.assertEqual(offer.attributes["tier"].string_value, "gold")
        self.assertWord(offer, "state", "ISSUED")
        self.assertAlmostEqual(instant(offer.expire_time) - instant(offer.issue_time), 20, places=6)
        self.assertEqual(offer.offer_id, made.contact.offers[0].offer_id)
        self.assertWord(issued, "before", "QUEUED")
        self.assertWord(issued, "after", "OFFERED")
        self.agent_is("OFFERING", used=100)
        return offer.offer_id

    def accepted(self, watch, offer_id):
        taken = self.agents.AcceptOffer(agent_id="ana", offer_id=offer_id, request_id="accept-1")
        self.assertEqual(taken.leg_number, 1)
        self.assertWord(taken.contact, "state", "ASSIGNED")
        self.assertEqual(len(taken.contact.offers), 0)
        self.assertFalse(taken.contact.HasField("answer_time"), "an accept is no answer")
        self.leg(taken.contact, "ASSIGNED", offer_state="ACCEPTED")
        accepted = watch.until("offer_accepted")
        self.assertEqual((accepted.contact_id, accepted.offer_id), ("c-1", offer_id))
        self.agent_is("BUSY", used=100)

        again = self.agents.AcceptOffer(agent_id="ana", offer_id=offer_id, request_id="accept-2")
        self.assertWord(again.contact, "state", "ASSIGNED")
        self.assertEqual(again.leg_number, 1)

    def connected(self, watch):
        answer = self.contacts.ConnectContact(contact_id="c-1", request_id="connect-1")
        self.assertWord(answer.contact, "state", "CONNECTED")
        self.assertTrue(answer.contact.HasField("answer_time"))
        self.leg(answer.contact, "CONNECTED")
        connected = watch.until("leg_connected")
        self.assertWord(connected, "exit", "ANSWERED")
        self.assertTrue(connected.within_threshold)
        self.assertWord(connected, "before", "ASSIGNED")
        self.assertWord(connected, "after", "CONNECTED")
        self.agent_is("BUSY", used=100)

        again = self.contacts.ConnectContact(contact_id="c-1")
        self.assertWord(again.contact, "state", "CONNECTED")
        self.assertEqual(instant(again.contact.answer_time), instant(answer.contact.answer_time))

    def held_and_resumed(self, watch):
        held = self.contacts.HoldContact(contact_id="c-1", request_id="hold-1")
        self.assertWord(held.contact, "state", "ON_HOLD")
        self.leg(held.contact, "ON_HOLD")
        self.assertWord(watch.until("leg_held"), "after", "ON_HOLD")
        self.agent_is("BUSY", used=100)

        resumed = self.contacts.ResumeContact(contact_id="c-1", request_id="resume-1")
        self.assertWord(resumed.contact, "state", "CONNECTED")
        self.leg(resumed.contact, "CONNECTED")
        self.assertWord(watch.until("leg_resumed"), "after", "CONNECTED")
        self.agent_is("BUSY", used=100)

    def completed(self, watch):
        done = self.contacts.CompleteContact(contact_id="c-1", disposition="sale", request_id="complete-1")
        self.assertWord(done.contact, "state", "WRAP_UP")
        self.assertWord(done.contact, "outcome", "COMPLETED")
        self.assertEqual(done.contact.disposition, "sale")
        self.assertTrue(done.contact.HasField("end_time"), "the customer's part has ended")
        self.leg(done.contact, "WRAP_UP")
        watch.until("leg_wrap_up_started")
        self.agent_is("WRAP_UP", used=100)

    def wrapped_up(self, watch, idle_since):
        closed = self.agents.CompleteWrapUp(
            agent_id="ana", contact_id="c-1", disposition="sale", resolved=True, request_id="wrap-up-1"
        )
        self.assertWord(closed.contact, "state", "CLOSED")
        self.assertWord(closed.contact, "outcome", "COMPLETED")
        self.assertTrue(closed.contact.resolved)
        leg = self.leg(closed.contact, "ENDED")
        self.assertWord(leg, "end_cause", "COMPLETED")
        self.assertTrue(leg.resolved)
        ended = watch.until("leg_ended")
        self.assertTrue(ended.entry_handled)
        for name in ("talk", "hold", "wrap_up"):
            self.assertEqual(seconds(getattr(ended, name)), seconds(getattr(leg, name)), name)
        handled = sum(seconds(span) for span in (leg.talk, leg.hold, leg.wrap_up))
        between = instant(leg.end_time) - instant(leg.connect_time)
        self.assertAlmostEqual(handled, between, places=5, msg="talk, hold and wrap-up fill the time")
        watch.until("agent_routing_changed", lambda changed: word(changed, "after") == "IDLE")
        agent = self.agent_is("IDLE", used=0)
        self.assertWord(agent, "presence", "AVAILABLE")
        self.assertGreater(instant(agent.idle_since_time), idle_since, "the idle clock moved with the leg's end")
        self.assertEqual(agent.contacts_handled, 1)

    # What the streams have told

    def told_to_the_gateway(self, gateway):
        mine = [(name, event) for name, event in gateway.events() if getattr(event, "contact_id", "") == "c-1"]
        states = []
        for _, event in mine:
            after = word(event, "after") if "after" in event.DESCRIPTOR.fields_by_name else "UNSPECIFIED"
            if after != "UNSPECIFIED" and states[-1:] != [after]:
                states.append(after)
        path = ["SCHEDULED", "QUEUED", "OFFERED", "ASSIGNED", "CONNECTED", "ON_HOLD", "CONNECTED", "WRAP_UP", "CLOSED"]
        self.assertEqual(states, path)
        names = [name for name, _ in mine]
        order = ["contact_created", "contact_queued", "offer_issued", "offer_accepted", "leg_connected", "leg_held"]
        order += ["leg_resumed", "leg_wrap_up_started", "leg_ended", "contact_closed"]
        self.assertEqual([name for name in names if name in order], order, names)
        self.assertEqual(names.count("contact_ended"), 1, names)

    def told_to_the_agent(self, watch):
        changes = [event for name, event in watch.events() if name == "agent_routing_changed"]
        words = ["IDLE", "OFFERING", "BUSY", "WRAP_UP", "IDLE"]
        self.assertEqual([word(change, "before") for change in changes], words[:-1])
        self.assertEqual([word(change, "after") for change in changes], words[1:])
        sequences = [message.event.sequence for message in watch.seen if message.WhichOneof("item") == "event"]
        self.assertEqual(sequences, sorted(set(sequences)), "each event once, in order")

    # Looking

    def agent(self):
        return self.agents.GetAgent(agent_id="ana").agent

    def agent_is(self, routing, used):
        agent = self.agent()
        self.assertWord(agent, "routing", routing)
        self.assertEqual(agent.load.used_units, used)
        return agent

    def leg(self, contact, state, offer_state=None):
        """The contact's one leg, which must stand so, in the answer and when asked for."""
        self.assertEqual(len(contact.legs), 1)
        leg = contact.legs[0]
        self.assertEqual((leg.leg_number, leg.agent_id, leg.queue), (1, "ana", "sales"))
        self.assertWord(leg, "state", state)
        if offer_state is not None:
            self.assertWord(leg, "offer_state", offer_state)
        asked = self.contacts.GetContact(contact_id="c-1").contact
        self.assertEqual(word(asked, "state"), word(contact, "state"), "a query sees what was answered")
        self.assertWord(asked.legs[0], "state", state)
        return leg


class After(ServerTest):
    """What is answered once a contact has ended, and to a request made twice."""

    def test_verbs_on_an_ended_contact(self):
        self.contacts.CreateContact(contact={"contact_id": "gone", "channel": "voice", "queue": "sales"})
        left = self.contacts.CancelContact(contact_id="gone", cause="CANCEL_CAUSE_CUSTOMER_LEFT")
        self.assertWord(left.contact, "state", "CLOSED")
        self.assertWord(left.contact, "outcome", "ABANDONED")
        self.assertEqual(left.contact.reason, "customer_left")
        for again in (
            self.contacts.CancelContact(contact_id="gone", cause="CANCEL_CAUSE_SYSTEM"),
            self.contacts.CompleteContact(contact_id="gone"),
        ):
            self.assertWord(again.contact, "outcome", "ABANDONED")
        for name in ("ConnectContact", "HoldContact", "ResumeContact", "ParkContact", "UnparkContact", "RequeueContact"):
            with self.subTest(name):
                method = getattr(self.contacts, name)
                request = method.request(contact_id="gone")
                self.refused(method, request, "FAILED_PRECONDITION", "CONTACT_CLOSED")

    def test_a_request_made_twice_is_done_once(self):
        create = self.contacts.CreateContact
        request = create.request(contact={"channel": "voice", "queue": "sales"}, request_id="once")
        first, second = create(request), create(request)
        self.assertEqual(first.contact.contact_id, second.contact.contact_id)
        self.assertEqual(first.sequence, second.sequence)
        request.contact.priority = 7
        refusal = self.refused(create, request, "INVALID_ARGUMENT", "IDEMPOTENCY_MISMATCH")
        self.assertEqual([path for path, _ in refusal.fields], ["request_id"])

    def test_reflection_lists_every_service(self):
        services = self.client.services()
        for name in ("ContactService", "AgentService", "SupervisorService", "AdminService"):
            self.assertIn(f"usher.v1.{name}", services)
        self.assertIn("grpc.health.v1.Health", services)


if __name__ == "__main__":
    unittest.main()
