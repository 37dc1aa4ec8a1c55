"""Streams as clients meet them: sessions, resumption, replacement, slow readers, lost leases, deadlines, drain."""

import os
import signal

import grpc

from harness import CALL_SECONDS, Client, Refusal, Server, ServerTest, Session, Watch, word

BACKLOG = 1500


class Streams(ServerTest):
    def an_agent(self, agent_id, skill="french", lease="0s"):
        self.supervisors.UpsertAgent(agent={"agent_id": agent_id, "team": "team-a", "skills": {skill: 9}})
        self.agents.SignIn(agent_id=agent_id, presence="PRESENCE_AVAILABLE", session_lease=lease)
        self.addCleanup(self.agents.SignOut, agent_id=agent_id, force=True)

    def a_contact(self, contact_id, **fields):
        fields = {"channel": "voice", "queue": "support", **fields}
        return self.contacts.CreateContact(contact={"contact_id": contact_id, **fields}).contact

    def open_gateway(self, gateway_id, **fields):
        session = Session(self.contacts.Session)
        self.addCleanup(session.close)
        session.send((1, {"open": {"gateway_id": gateway_id, **fields}}))
        session.until("opened")
        return session

    def test_a_contact_lives_on_two_sessions(self):
        self.an_agent("bo")
        desktop = Session(self.agents.Session)
        self.addCleanup(desktop.close)
        desktop.send((1, {"open": {"agent_id": "bo"}}))
        desktop.until("opened")
        self.assertWord(desktop.until("snapshot").agent, "routing", "IDLE")

        gateway = self.open_gateway("gw-two", brief_replies=True)
        self.assertEqual(gateway.until("snapshot_complete").contacts, 0)
        create = {"contact": {"contact_id": "two", "channel": "voice", "queue": "sales"}}
        gateway.send((7, {"create_contact": create}), (8, {"get_contact": {"contact_id": "two"}}))
        made = gateway.reply(7).create_contact
        self.assertWord(made.contact, "state", "OFFERED")
        self.assertEqual(made.contact.channel, "", "a brief reply leaves out what the events say")
        self.assertEqual(gateway.reply(8).get_contact.contact.gateway_id, "gw-two")

        offer = desktop.event("offer_issued").offer
        desktop.send((2, {"accept_offer": {"offer_id": offer.offer_id}}))
        self.assertEqual(desktop.reply(2).accept_offer.leg_number, 1)
        self.assertEqual(gateway.event("offer_accepted").agent_id, "bo")
        gateway.send(
            (9, {"connect_contact": {"contact_id": "two"}}),
            (10, {"complete_contact": {"contact_id": "two", "disposition": "sale"}}),
            (11, {"hold_contact": {"contact_id": "two"}}),
        )
        self.assertWord(gateway.reply(9).connect_contact.contact, "state", "CONNECTED")
        self.assertWord(gateway.reply(10).complete_contact.contact, "outcome", "COMPLETED")
        error = gateway.reply(11).error
        self.assertEqual((error.reason, error.metadata["state"]), ("CONTACT_STATE", "WRAP_UP"))
        desktop.send((3, {"complete_wrap_up": {"contact_id": "two", "resolved": True}}))
        self.assertWord(desktop.reply(3).complete_wrap_up.contact, "state", "CLOSED")
        self.assertEqual(gateway.event("contact_closed").contact_id, "two")

    def test_a_session_begins_with_open(self):
        session = Session(self.contacts.Session)
        self.addCleanup(session.close)
        session.send((1, {"heartbeat": {}}))
        with self.assertRaises(Refusal) as refused:
            session.item()
        self.assertEqual((refused.exception.code, refused.exception.reason), ("FAILED_PRECONDITION", "SESSION_NOT_OPEN"))

    def test_only_the_events_named(self):
        session = self.open_gateway("gw-named", event_names=["contact_closed"])
        self.a_contact("named", gateway_id="gw-named")
        self.contacts.CancelContact(contact_id="named", cause="CANCEL_CAUSE_CUSTOMER_LEFT")
        event = session.until("event")
        self.assertEqual(event.WhichOneof("payload"), "contact_closed")
        wrong = Session(self.contacts.Session)
        self.addCleanup(wrong.close)
        wrong.send((1, {"open": {"gateway_id": "gw-wrong", "event_names": ["contact_lost"]}}))
        with self.assertRaises(Refusal) as refused:
            wrong.item()
        self.assertEqual(refused.exception.reason, "FIELD_INVALID")

    def test_a_stream_goes_on_where_it_was(self):
        self.a_contact("before", gateway_id="gw-resume")
        watch = self.contacts.WatchContacts(gateway_id="gw-resume")
        self.assertEqual(watch.next().snapshot.contacts[0].contact_id, "before")
        self.assertEqual(watch.next().snapshot_complete.contacts, 1)
        self.contacts.CancelContact(contact_id="before", cause="CANCEL_CAUSE_SYSTEM")
        watch.until("contact_ended")
        token = watch.seen[-1].resume_token
        watch.close()

        self.a_contact("missed", gateway_id="gw-resume")
        again = self.contacts.WatchContacts(gateway_id="gw-resume", resume_token=token)
        self.addCleanup(again.close)
        self.assertEqual(again.until("contact_closed").contact_id, "before")
        self.assertEqual(again.until("contact_queued").contact_id, "missed")
        self.assertEqual([name for name, _ in again.events()], ["contact_closed", "contact_created", "contact_queued"])

        other = self.contacts.WatchContacts(gateway_id="gw-other", resume_token=token)
        with self.assertRaises(Refusal) as refused:
            other.next()
        self.assertEqual((refused.exception.code, refused.exception.reason), ("INVALID_ARGUMENT", "RESUME_TOKEN_INVALID"))

    def test_a_second_session_of_an_agent_replaces_the_first(self):
        self.an_agent("cy")
        first = self.agents.WatchAgent(agent_id="cy")
        first.next()
        second = self.agents.WatchAgent(agent_id="cy")
        self.addCleanup(second.close)
        second.next()
        with self.assertRaises(Refusal) as refused:
            first.next()
        self.assertEqual((refused.exception.code, refused.exception.reason), ("ABORTED", "SESSION_REPLACED"))
        self.agents.SetPresence(agent_id="cy", presence="PRESENCE_NOT_READY", reason="lunch")
        self.assertWord(second.until("agent_presence_changed"), "after", "NOT_READY")

    def test_a_slow_reader_is_let_go_and_slows_nobody(self):
        stalled = self.contacts.WatchContacts._call(self.contacts.WatchContacts.request(gateway_id="gw-slow"))
        self.addCleanup(stalled.cancel)
        session = self.open_gateway("gw-slow", brief_replies=True, event_names=["max_handle_passed"])
        for start in range(0, BACKLOG, 500):
            for number in range(start, start + 500):
                contact = {"contact_id": f"slow-{number}", "channel": "voice", "queue": "support"}
                cancel = {"contact_id": f"slow-{number}", "cause": "CANCEL_CAUSE_SYSTEM"}
                session.send((0, {"create_contact": {"contact": contact}}), (number + 2, {"cancel_contact": cancel}))
            self.assertWord(session.reply(start + 501).cancel_contact.contact, "state", "CLOSED")
        with self.assertRaises(grpc.RpcError) as ended:
            for _ in stalled:
                pass
        refusal = Refusal("WatchContacts", ended.exception)
        self.assertEqual((refusal.code, refusal.reason), ("RESOURCE_EXHAUSTED", "SLOW_READER"))

    def test_a_lost_desktop_loses_its_offers_and_nothing_else(self):
        self.an_agent("di", lease="1s")
        watch = self.contacts.WatchContacts(contact_ids=["rings"])
        self.addCleanup(watch.close)
        watch.next()
        self.assertWord(self.a_contact("rings", queue="sales"), "state", "OFFERED")
        failed = watch.until("offer_failed")
        self.assertEqual((failed.agent_id, failed.reason), ("di", "session_lost"))
        self.assertWord(self.agents.GetAgent(agent_id="di").agent, "routing", "OFF_QUEUE")
        self.assertWord(self.contacts.GetContact(contact_id="rings").contact, "state", "QUEUED")
        self.agents.Heartbeat(agent_id="di")
        self.assertEqual(watch.until("offer_issued").agent_id, "di")
        self.contacts.CancelContact(contact_id="rings", cause="CANCEL_CAUSE_SYSTEM")

    def test_a_lost_gateway_loses_its_contacts(self):
        session = self.open_gateway("gw-lost", lease="1s")
        self.a_contact("orphan", gateway_id="gw-lost")
        watch = self.contacts.WatchContacts(contact_ids=["orphan"])
        self.addCleanup(watch.close)
        session.close()
        ended = watch.until("contact_ended")
        self.assertWord(ended, "outcome", "ABANDONED")
        self.assertEqual(ended.reason, "gateway_lost")

    def test_a_call_past_its_deadline_is_done_whole_or_not_at_all(self):
        late = 0
        for number in range(60):
            request = self.contacts.CreateContact.request(
                contact={"contact_id": f"late-{number}", "channel": "voice", "queue": "support"},
                request_id=f"late-{number}",
            )
            # From long past to about the time a call takes: some are never sent, some answered to nobody.
            timeout = -1 if number < 10 else (number - 10) * 5e-5
            try:
                self.contacts.CreateContact(request, timeout=timeout)
            except Refusal as refusal:
                self.assertEqual(refusal.code, "DEADLINE_EXCEEDED", refusal)
                late += 1
            made = self.contacts.CreateContact(request).contact
            self.assertEqual((made.contact_id, word(made, "state"), made.entry_number), (f"late-{number}", "QUEUED", 1))
        self.assertGreaterEqual(late, 10)


class Drain(ServerTest):
    def test_a_draining_server_says_so_and_ends_in_good_order(self):
        server = Server(self.config).start()
        self.addCleanup(server.stop)
        client = Client(server.grpc)
        self.addCleanup(client.close)
        watch = client.ContactService.WatchContacts()
        watch.next()
        client.ContactService.CreateContact(contact={"contact_id": "kept", "channel": "voice", "queue": "support"})
        os.kill(server.process.pid, signal.SIGTERM)
        with self.assertRaises(Refusal) as refused:
            while True:
                watch.next()
        self.assertEqual((refused.exception.code, refused.exception.reason), ("UNAVAILABLE", "DRAINING"))
        self.assertEqual([name for name, _ in watch.events()], ["contact_created", "contact_queued"])
        self.assertEqual(server.process.wait(CALL_SECONDS), 0)
