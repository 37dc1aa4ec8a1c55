"""Every field of every working request wrong in turn: the code, the reason and the field's path; and nothing half done.

The tables are in `bad_input.py`. The first tests hold that no method, no field and no command of a session is
forgotten: a new one without a row is a failure, not a gap. Each row is sent to a server that must refuse it, must look
afterwards as it did before, and must still take the request that works: by a unary call, and in a session's frame.
"""

import itertools
import unittest

import grpc
from google.protobuf import json_format

from bad_input import INVALID, OPENINGS, TABLES
from harness import Refusal, ServerTest, Session, word

# Methods that this release answers UNIMPLEMENTED. Every other one has a table, or is a session.
UNIMPLEMENTED = {
    "ContactService": {"ConsultContact", "ExplainContact"},
    "AgentService": {"HandoffContact"},
    "SupervisorService": {
        "MonitorContact",
    },
    "AdminService": set(),
}  # fmt: skip

# Resources inside requests: the first number of their output-only fields.
OUTPUT_FROM = {"usher.v1.Contact": 30, "usher.v1.Agent": 9}


def fields_of(message):
    """Paths of the fields a client may fill: those of the request, and of the resource inside it."""
    for field in message.fields:
        yield field.name
        first_output = OUTPUT_FROM.get(field.message_type.full_name if field.message_type else "")
        for inner in field.message_type.fields if first_output else []:
            if inner.number < first_output:
                yield f"{field.name}.{inner.name}"

OPEN = {"ContactService": "ContactSessionOpen", "AgentService": "AgentSessionOpen"}
CODES = {code.value[0]: code.name for code in grpc.StatusCode}


def camel(name):
    """A command's name as that of its method."""
    return "".join(word.capitalize() for word in name.split("_"))


class CommandRefusal:
    """A refusal inside a session, as `Refusal` has those of calls."""

    def __init__(self, error):
        self.code, self.reason, self.message = CODES[error.code], error.reason, error.message
        self.fields = [(at.field, at.description) for at in error.field_violations]

    def __str__(self):
        return f"{self.code} {self.reason}: {self.message} {self.fields}"


class BadInput(ServerTest):
    numbers = itertools.count(1)

    # Nothing is forgotten

    def test_every_method_has_a_table_or_says_why_not(self):
        for service in ("ContactService", "AgentService", "SupervisorService", "AdminService"):
            with self.subTest(service):
                methods = {method.name for method in getattr(self.client, service).descriptor.methods}
                have = {table.method for table in TABLES if table.service == service}
                sessions = {opening.service for opening in OPENINGS}
                lists = [have, {"Session"} if service in sessions else set(), UNIMPLEMENTED[service]]
                self.assertEqual(set().union(*lists), methods)
                self.assertEqual(sum(map(len, lists)), len(methods), "a method stands in two lists")

    def test_every_field_has_a_row_or_says_why_not(self):
        for table in TABLES:
            method = getattr(getattr(self.client, table.service), table.method)
            with self.subTest(method.name):
                rows = {row.at for row in table.rows}
                fields = set(fields_of(method.descriptor.input_type))
                self.assertEqual(fields - rows - set(table.free), set(), "fields without a row")
                self.assertEqual((rows | set(table.free)) - fields, set(), "rows about no field")

    # Each row

    def test_row_66_each_row_of_each_table(self):
        for table in TABLES:
            with self.subTest(f"{table.service}.{table.method}"):
                self.walk(table)
                # Sign-outs and ends of contacts belong to the table, not to the next one.
                self.doCleanups()

    def walk(self, table):
        method = getattr(getattr(self.client, table.service), table.method)
        request = table.works(self, next(self.numbers))
        before = table.looks(self)
        for row in table.rows:
            with self.subTest(f"{method.name}: {row.label}"):
                bad = self.spoilt(request, row)
                self.says(self.refused(method, bad, row.code, row.reason), row)
                self.assertEqual(table.looks(self), before, "something changed all the same")
        if table.ends_the_server:
            return
        # A refused request is not remembered: the same request id may now be used as it should be.
        answer = method(request)
        if method.server_streaming:
            answer.next()
            answer.close()

    def spoilt(self, request, row):
        bad = type(request)()
        bad.CopyFrom(request)
        row.spoil(bad)
        return bad

    def says(self, refusal, row):
        """That a refusal with a code and a reason names the field that is wrong."""
        paths = [path for path, _ in refusal.fields]
        if row.code != INVALID:
            return
        self.assertTrue(paths, f"no BadRequest: {refusal}")
        if row.path is None:
            return
        if row.path.endswith("*"):
            self.assertTrue(any(path.startswith(row.path[:-1]) for path in paths), f"{paths} names no {row.path}")
        else:
            self.assertIn(row.path, paths)
        self.assertTrue(all(what for _, what in refusal.fields), "a field at fault without a word what it must be")

    # The same in sessions

    def test_every_command_of_a_session_has_a_table(self):
        for opening in OPENINGS:
            with self.subTest(opening.service):
                tables = {table.request for table in self.with_requests()}
                later = UNIMPLEMENTED[opening.service]
                for command in self.commands(opening.service):
                    known = command.message_type.name in tables or command.name in ("open", "heartbeat")
                    self.assertTrue(known or camel(command.name) in later, f"{command.name} has no table")

    def test_every_field_of_an_opening_has_a_row(self):
        for opening in OPENINGS:
            with self.subTest(opening.service):
                [opened] = [one for one in self.commands(opening.service) if one.name == "open"]
                have = {row.at for row in opening.rows} | set(opening.free)
                self.assertEqual(have, {field.name for field in opened.message_type.fields})

    def test_each_row_of_each_opening(self):
        for opening in OPENINGS:
            for row in opening.rows:
                with self.subTest(f"{opening.service}: open {row.label}"):
                    session = self.session(opening.service)
                    good = json_format.ParseDict(
                        opening.works(self, next(self.numbers)), self.client.message(OPEN[opening.service])()
                    )
                    bad = json_format.MessageToDict(self.spoilt(good, row), preserving_proto_field_name=True)
                    session.send((1, {"open": bad}))
                    with self.assertRaises(Refusal) as raised:
                        session.item()
                    refusal = raised.exception
                    self.assertEqual((refusal.code, refusal.reason), (row.code, row.reason), refusal)
                    self.says(refusal, row)

    def test_each_row_of_each_command_of_a_session(self):
        for opening in OPENINGS:
            for command in self.commands(opening.service):
                for table in self.with_requests():
                    if table.request == command.message_type.name:
                        with self.subTest(f"{opening.service} session: {command.name}"):
                            self.walk_in_session(opening, command.name, table)
                            self.doCleanups()

    def walk_in_session(self, opening, command, table):
        request = table.works(self, next(self.numbers))
        session = self.opened(opening)
        before = table.looks(self)
        numbers = itertools.count(2)
        for row in table.rows:
            if opening.service == "AgentService" and row.label == "agent_id left out":
                # In his session it is his own.
                continue
            with self.subTest(f"{opening.service} session: {command} {row.label}"):
                number = next(numbers)
                session.send_message(number, command, self.spoilt(request, row))
                reply = session.reply(number)
                self.assertEqual(reply.WhichOneof("result"), "error", reply)
                refusal = CommandRefusal(reply.error)
                self.assertEqual(refusal.code, row.code, refusal)
                self.assertIn(refusal.reason, [row.reason] if isinstance(row.reason, str) else row.reason, refusal)
                self.says(refusal, row)
                self.assertEqual(table.looks(self), before, "something changed all the same")
        number = next(numbers)
        session.send_message(number, command, request)
        self.assertEqual(session.reply(number).WhichOneof("result"), command)

    def test_what_a_session_refuses_itself(self):
        for opening in OPENINGS:
            with self.subTest(opening.service):
                session = self.opened(opening)
                session.send((2, {}), (3, {"open": {}}))
                nothing, again = CommandRefusal(session.reply(2).error), CommandRefusal(session.reply(3).error)
                self.assertEqual((nothing.code, nothing.fields[0][0]), (INVALID, "command"))
                self.assertEqual((again.code, again.reason), ("FAILED_PRECONDITION", "SESSION_OPEN"))
                for number, command in enumerate(self.commands(opening.service), 10):
                    if camel(command.name) in UNIMPLEMENTED[opening.service]:
                        session.send((number, {command.name: {}}))
                        self.assertEqual(CommandRefusal(session.reply(number).error).code, "UNIMPLEMENTED")
                session.send(*((0, {"heartbeat": {}}) for _ in range(1001)))
                with self.assertRaises(Refusal) as raised:
                    while True:
                        session.item()
                self.assertEqual(raised.exception.code, INVALID)
                self.assertEqual(raised.exception.fields[0][0], "commands")

    def commands(self, service):
        """The commands of a service's session, as its contract has them."""
        frame = getattr(self.client, service).Session.descriptor.input_type
        return frame.fields_by_name["commands"].message_type.oneofs_by_name["command"].fields

    def with_requests(self):
        """The tables, each with the name of its request."""
        for table in TABLES:
            table.request = getattr(getattr(self.client, table.service), table.method).descriptor.input_type.name
        return TABLES

    def session(self, service):
        session = Session(getattr(self.client, service).Session)
        self.addCleanup(session.close)
        return session

    def opened(self, opening):
        session = self.session(opening.service)
        session.send((1, {"open": opening.works(self, next(self.numbers))}))
        session.until("opened")
        return session

    # What no single field shows

    def test_a_known_contact_id_with_another_payload(self):
        create = self.contacts.CreateContact
        request = create.request(contact={"contact_id": "known", "channel": "voice", "queue": "sales"})
        first, again = create(request), create(request)
        self.assertEqual(first.contact.create_time, again.contact.create_time)
        request.contact.priority = 5
        self.refused(create, request, "ALREADY_EXISTS", "CONTACT_EXISTS")

    def test_a_late_accept_says_why(self):
        number = next(self.numbers)
        agent = self.fresh_agent(number, queue="support")
        declined = self.fresh_offer(number)
        self.agents.DeclineOffer(agent_id=agent, offer_id=declined, reason="DECLINE_REASON_BUSY")
        self.late(agent, declined, "OFFER_DECLINED")
        self.contacts.CancelContact(contact_id=self.last_contact, cause="CANCEL_CAUSE_CUSTOMER_LEFT")

        number = next(self.numbers)
        cancelled = self.fresh_offer(number)
        self.contacts.CancelContact(contact_id=self.last_contact, cause="CANCEL_CAUSE_CUSTOMER_LEFT")
        self.late(agent, cancelled, "OFFER_CANCELLED")

        number = next(self.numbers)
        revoked = self.fresh_offer(number)
        self.agents.SetPresence(agent_id=agent, presence="PRESENCE_NOT_READY", reason="break")
        self.late(agent, revoked, "OFFER_REVOKED")
        self.contacts.CancelContact(contact_id=self.last_contact, cause="CANCEL_CAUSE_SYSTEM")

    def late(self, agent, offer, reason):
        request = self.agents.AcceptOffer.request(agent_id=agent, offer_id=offer)
        self.refused(self.agents.AcceptOffer, request, "FAILED_PRECONDITION", reason)

    def test_an_id_of_128_bytes_is_good(self):
        made = self.contacts.CreateContact(contact={"contact_id": "x" * 128, "channel": "voice", "queue": "sales"})
        self.assertWord(made.contact, "state", "QUEUED")

    def test_methods_to_come_say_so(self):
        for service, names in UNIMPLEMENTED.items():
            for name in sorted(names):
                method = getattr(getattr(self.client, service), name)
                with self.subTest(method.name), self.assertRaises(Refusal) as raised:
                    answer = method()
                    if method.server_streaming:
                        answer.next()
                self.assertEqual(raised.exception.code, "UNIMPLEMENTED", raised.exception)

    def test_an_upsert_that_only_checks_changes_nothing(self):
        agent = {"agent_id": "checked", "team": "team-a", "skills": {"french": 5}}
        answer = self.supervisors.UpsertAgent(agent=agent, request_id="check", validate_only=True)
        self.assertEqual((answer.created, answer.agent.skills["french"]), (True, 5))
        self.refused(
            self.agents.GetAgent, self.agents.GetAgent.request(agent_id="checked"), "NOT_FOUND", "AGENT_NOT_FOUND"
        )
        agent["skills"] = {"klingon": 5}
        bad = self.supervisors.UpsertAgent.request(agent=agent, validate_only=True)
        self.refused(self.supervisors.UpsertAgent, bad, INVALID, "SKILL_NOT_FOUND")
        # It is not remembered either: the request id is free.
        agent["skills"] = {"french": 6}
        self.assertTrue(self.supervisors.UpsertAgent(agent=agent, request_id="check").created)

    def test_a_page_goes_on_only_where_its_list_was(self):
        for number in range(3):
            self.contact_in(f"page-{number}", "QUEUED")
        first = self.contacts.ListContacts(queues=["sales"], page_size=1)
        self.assertTrue(first.next_page_token)
        second = self.contacts.ListContacts(queues=["sales"], page_size=1, page_token=first.next_page_token)
        self.assertNotEqual(first.contacts[0].contact_id, second.contacts[0].contact_id)
        other = self.contacts.ListContacts.request(queues=["care"], page_size=1, page_token=first.next_page_token)
        self.refused(self.contacts.ListContacts, other, INVALID, "PAGE_TOKEN_INVALID")
        self.assertLessEqual(len(self.contacts.ListContacts(page_size=5000).contacts), 1000)

    # What works

    def fresh_agent(self, number, queue=None):
        """A new agent; with `queue`, signed in for good and the only one who serves it and `care`."""
        self.last_agent = f"agent-{number}"
        # `fixed` serves both queues but is never signed in; agents of other tests have no German.
        skills = {"german": 5} if queue else {}
        self.supervisors.UpsertAgent(agent={"agent_id": self.last_agent, "team": "team-a", "skills": skills})
        if queue:
            self.agents.SignIn(agent_id=self.last_agent, presence="PRESENCE_AVAILABLE", session_lease="0s")
            self.addCleanup(self.agents.SignOut, agent_id=self.last_agent, force=True)
        return self.last_agent

    def fresh_offer(self, number):
        """An open offer of a new contact to the agent signed in."""
        self.last_contact = f"offered-{number}"
        made = self.contacts.CreateContact(
            contact={"contact_id": self.last_contact, "channel": "email", "queue": "support"}
        )
        self.addCleanup(self.contacts.CancelContact, contact_id=self.last_contact, cause="CANCEL_CAUSE_SYSTEM")
        self.assertEqual(word(made.contact, "state"), "OFFERED", "the agent signed in is offered the contact")
        return made.contact.offers[0].offer_id

    def signed_in_agent(self, number):
        """A new agent, signed in for good; he serves nothing that waits."""
        agent = self.fresh_agent(number)
        self.agents.SignIn(agent_id=agent, presence="PRESENCE_AVAILABLE", session_lease="0s")
        return agent

    def onlooker(self, number):
        """A new agent who could serve `sales`, signed in for good and not ready."""
        agent = f"onlooker-{number}"
        self.supervisors.UpsertAgent(agent={"agent_id": agent, "team": "team-a", "skills": {"french": 5}})
        self.agents.SignIn(agent_id=agent, presence="PRESENCE_NOT_READY", session_lease="0s")
        self.addCleanup(self.agents.SignOut, agent_id=agent, force=True)
        return agent

    def contact_in(self, number, state):
        """A new contact in a state; past QUEUED and PARKED with a new agent, the only one who serves its queue."""
        waits = state in ("QUEUED", "PARKED")
        if not waits:
            self.fresh_agent(number, queue="care")
        self.last_contact = f"contact-{number}"
        contact = {"contact_id": self.last_contact, "channel": "voice", "queue": "sales" if waits else "care"}
        made = self.contacts.CreateContact(contact=contact).contact
        self.addCleanup(self.contacts.CancelContact, contact_id=self.last_contact, cause="CANCEL_CAUSE_SYSTEM")
        if state == "PARKED":
            made = self.contacts.ParkContact(contact_id=self.last_contact).contact
        if not waits:
            offer = {"agent_id": self.last_agent, "offer_id": made.offers[0].offer_id}
            made = self.agents.AcceptOffer(**offer).contact
        steps = {"CONNECTED": "C", "ON_HOLD": "CH", "WRAP_UP": "CE"}.get(state, "")
        verbs = {"C": self.contacts.ConnectContact, "H": self.contacts.HoldContact, "E": self.contacts.CompleteContact}
        for step in steps:
            made = verbs[step](contact_id=self.last_contact).contact
        self.assertWord(made, "state", state)
        return self.last_contact


if __name__ == "__main__":
    unittest.main()
