"""Every field of every working request wrong in turn: the code, the reason and the field's path; and nothing half done.

A `Table` has a request that works, and rows that each spoil one thing in it. The first test holds that no method and no
field is forgotten: a new one without a row is a failure, not a gap. Each row is sent to a server that must refuse it,
must look afterwards as it did before, and must still take the request that works.
"""

import itertools
import time
import unittest

from harness import Refusal, ServerTest, word

INVALID = "INVALID_ARGUMENT"
LONG_ID = "x" * 129
LONG_REQUEST_ID = "x" * 65
NOT_A_MEMBER = 99


class Row:
    """One thing wrong: which field of the table it is about, how it is spoilt, and what the server must say.

    `at` is the path of the field it counts for; `spoil` changes a request that works. `path` is what BadRequest must
    name: by default `at`. A path that ends in `*` stands for all that begin so, None for no path at all.
    """

    def __init__(self, at, spoil, code=INVALID, reason="FIELD_INVALID", path="", label=""):
        self.at, self.spoil, self.code, self.reason = at, spoil, code, reason
        self.path = path or at if path is not None and code == INVALID else None
        self.label = f"{at} {label}".strip()


def put(path, value):
    """Spoils by setting the field at a dotted path."""
    *way, last = path.split(".")

    def spoil(request):
        for name in way:
            request = getattr(request, name)
        setattr(request, last, value)

    return spoil


def clear(path):
    """Spoils by taking away the field at a dotted path."""
    *way, last = path.split(".")

    def spoil(request):
        for name in way:
            request = getattr(request, name)
        request.ClearField(last)

    return spoil


def moment(path, seconds=0, nanos=0, from_now=None):
    """Spoils by setting a Timestamp or Duration; `from_now` counts from the present."""
    *way, last = path.split(".")

    def spoil(request):
        for name in way:
            request = getattr(request, name)
        field = getattr(request, last)
        field.seconds = seconds if from_now is None else int(time.time()) + from_now
        field.nanos = nanos
        field.SetInParent()

    return spoil


def both(*spoils):
    """Spoils by several changes that only together are wrong."""

    def spoil(request):
        for one in spoils:
            one(request)

    return spoil


# --- Rows that many requests share


def tenant():
    """A tenant nobody has."""
    return [Row("tenant", put("tenant", "nowhere"), "NOT_FOUND", "TENANT_NOT_FOUND")]


def request_id():
    """A request id that is too long."""
    return [Row("request_id", put("request_id", LONG_REQUEST_ID), label="of 65 bytes")]


def an_id(path, required=True):
    """An id that is too long, holds a control character or, where it must be there, is not."""
    rows = [
        Row(path, put(path, LONG_ID), label="of 129 bytes"),
        Row(path, put(path, "a\nb"), label="with a control character"),
        Row(path, put(path, "ä" * 65), label="of 130 bytes in 65 characters"),
    ]
    return rows + [Row(path, clear(path), label="left out")] if required else rows


def attributes(owner):
    """Attributes with wrong names, wrong values, and too many."""
    path = f"{owner}.attributes"

    def attribute(name, **value):
        def spoil(request):
            one = getattr(request, owner).attributes[name]
            for kind, content in value.items():
                setattr(one, kind, content)

        return spoil

    def many(request):
        for number in range(65):
            getattr(request, owner).attributes[f"a{number}"].int64_value = number

    def long_list(request):
        getattr(request, owner).attributes["list"].list_value.values.extend(["x" * 600, "y" * 600])

    return [
        Row(path, attribute("a b", int64_value=1), path=f'{path}["a b"]', label="with a space in the name"),
        Row(path, attribute("x" * 65, int64_value=1), path=f"{path}[*", label="with a name of 65 bytes"),
        Row(path, attribute("tier"), path=f'{path}["tier"]', label="without a kind"),
        Row(path, attribute("tier", string_value="x" * 1025), path=f'{path}["tier"]', label="with a text of 1025 bytes"),
        Row(path, long_list, path=f'{path}["list"]*', label="with a list of 1200 bytes"),
        Row(path, many, path=path, label="65 of them"),
    ]


def structured_requirement(request):
    """A comparison that does not say how to compare."""
    compare = request.contact.requirement.compare
    compare.skill = "french"
    compare.value.int64_value = 3


def unknown_skill(request):
    """A skill nobody knows."""
    structured_requirement(request)
    request.contact.requirement.compare.skill = "klingon"
    request.contact.requirement.compare.comparison = 6


def too_many_parts(request):
    """More parts than a list may have."""
    for _ in range(65):
        part = request.contact.requirement.all.parts.add()
        part.agents.agent_ids.append("ana")


# --- The tables


class Table:
    """A method, a request that works, what may stay unspoilt, and the rows.

    `works` makes the request, given the test and a fresh number. `looks` reads what the request would change, so that it
    can be seen to be unchanged. `free` are fields with which nothing can be wrong, each with the reason.
    """

    def __init__(self, service, method, works, looks, rows, free=None):
        self.service, self.method, self.works, self.looks = service, method, works, looks
        self.rows, self.free = rows, free or {}


EVERY_STATE = [
    f"CONTACT_STATE_{state}"
    for state in "SCHEDULED PARKED QUEUED OFFERED ASSIGNED CONNECTED ON_HOLD WRAP_UP CLOSED".split()
]


def agent_words(answer):
    """How an agent stands, times and spans left out: they move by themselves."""
    agent = answer.agent
    offers = [(offer.offer_id, word(offer, "state")) for offer in answer.offers]
    return word(agent, "presence"), word(agent, "routing"), agent.not_ready_reason, agent.load.used_units, offers


CREATE_CONTACT = Table(
    "ContactService",
    "CreateContact",
    works=lambda test, number: test.contacts.CreateContact.request(
        contact={"contact_id": f"create-{number}", "channel": "voice", "queue": "sales"},
        request_id=f"create-{number}",
    ),
    looks=lambda test: sorted(
        (contact.contact_id, word(contact, "state"), contact.priority)
        for contact in test.contacts.ListContacts(states=EVERY_STATE, page_size=1000).contacts
    ),
    rows=[
        *tenant(),
        *request_id(),
        Row("contact", clear("contact"), label="left out"),
        *an_id("contact.contact_id", required=False),
        *an_id("contact.gateway_id", required=False),
        Row("contact.direction", put("contact.direction", NOT_A_MEMBER)),
        Row("contact.kind", put("contact.kind", NOT_A_MEMBER)),
        Row("contact.kind", put("contact.kind", 2), label="CONSULT"),
        *an_id("contact.callback_of", required=False),
        *an_id("contact.conversation_id", required=False),
        *an_id("contact.customer_id", required=False),
        Row("contact.channel", clear("contact.channel"), label="left out"),
        Row("contact.channel", put("contact.channel", "telex"), reason="CHANNEL_NOT_FOUND"),
        Row("contact.queue", put("contact.queue", "nowhere"), reason="QUEUE_NOT_FOUND"),
        Row("contact.queue", put("contact.agent_id", "fixed"), label="beside an agent"),
        Row("contact.priority", put("contact.priority", 101)),
        Row("contact.priority", put("contact.priority", -101)),
        Row("contact.requirements", put("contact.requirements", "french >="), reason="REQUIREMENT_INVALID"),
        Row("contact.requirements", put("contact.requirements", "klingon >= 3"), reason="REQUIREMENT_INVALID"),
        Row("contact.requirements", put("contact.requirements", "french >= 11"), reason="REQUIREMENT_INVALID"),
        Row(
            "contact.requirements",
            put("contact.requirements", " and ".join(["french >= 3"] * 300)),
            reason=("REQUIREMENT_INVALID", "FIELD_INVALID"),
            label="of more than 4096 bytes",
        ),
        Row("contact.requirement", structured_requirement, path="contact.requirement*", label="without a comparison"),
        Row("contact.requirement", too_many_parts, path="contact.requirement*", label="of 65 parts"),
        Row(
            "contact.requirement",
            unknown_skill,
            reason="REQUIREMENT_INVALID",
            path="contact.requirement*",
            label="with an unknown skill",
        ),
        Row(
            "contact.requirement",
            both(unknown_skill, put("contact.requirements", "french >= 3")),
            path="contact.requirement*",
            label="in both forms",
        ),
        *attributes("contact"),
        Row(
            "contact.personal_attributes",
            lambda request: request.contact.personal_attributes.append("absent"),
            path="contact.personal_attributes*",
        ),
        Row("contact.customer_address", put("contact.customer_address", "x" * 257), label="of 257 bytes"),
        *an_id("contact.preferred_agent_id", required=False),
        Row(
            "contact.agent_id",
            both(clear("contact.queue"), put("contact.agent_id", "nobody")),
            reason="AGENT_NOT_FOUND",
        ),
        Row(
            "contact.agent_id",
            both(clear("contact.queue"), put("contact.agent_id", "fixed")),
            "FAILED_PRECONDITION",
            "AGENT_UNAVAILABLE",
            label="signed out",
        ),
        Row("contact.arrival_time", moment("contact.arrival_time", from_now=3600), label="ahead"),
        Row("contact.arrival_time", moment("contact.arrival_time", from_now=-90_000), label="25 h back"),
        Row("contact.arrival_time", moment("contact.arrival_time", from_now=-60, nanos=-1), label="that is no time"),
        Row("contact.schedule_time", moment("contact.schedule_time", 1, nanos=2_000_000_000), label="that is no time"),
        Row("contact.schedule_time", moment("contact.schedule_time", 1 << 60), label="past all calendars"),
        Row("contact.expire_time", moment("contact.expire_time", from_now=-60), label="past"),
        Row("contact.expire_time", moment("contact.expire_time", from_now=60, nanos=-1), label="that is no time"),
        Row(
            "contact.expire_time",
            both(moment("contact.schedule_time", from_now=7200), moment("contact.expire_time", from_now=3600)),
            label="before the contact is due",
        ),
        Row("contact.age_credit", moment("contact.age_credit", seconds=-1), label="below zero"),
        Row("contact.age_credit", moment("contact.age_credit", seconds=86_401), label="of more than 24 h"),
        Row("contact.age_credit", moment("contact.age_credit", seconds=1, nanos=-1), label="that is no span"),
    ],
    free={"contact.parent_contact_id": "output only, and ignored"},
)

UPSERT_AGENT = Table(
    "SupervisorService",
    "UpsertAgent",
    works=lambda test, number: test.supervisors.UpsertAgent.request(
        agent={"agent_id": f"upsert-{number}", "team": "team-a", "skills": {"french": 5}},
        request_id=f"upsert-{number}",
    ),
    looks=lambda test: sorted(
        (agent.agent_id, agent.display_name, agent.team, agent.capacity, sorted(agent.skills.items()))
        for agent in test.agents.ListAgents(page_size=1000).agents
    ),
    rows=[
        *tenant(),
        *request_id(),
        Row("agent", clear("agent"), label="left out"),
        *an_id("agent.agent_id"),
        Row(
            "agent.agent_id",
            put("agent.agent_id", "fixed"),
            "FAILED_PRECONDITION",
            "MANAGED_BY_CONFIG",
            label="of an agent the file owns",
        ),
        Row("agent.display_name", put("agent.display_name", "x" * 257), label="of 257 bytes"),
        Row("agent.team", put("agent.team", "nowhere"), reason="TEAM_NOT_FOUND"),
        Row("agent.site", put("agent.site", "x" * 65), label="of 65 bytes"),
        Row("agent.type", put("agent.type", NOT_A_MEMBER)),
        *(
            Row(
                "agent.skills",
                lambda request, level=level: request.agent.skills.update({"french": level}),
                path="agent.skills*",
                label=f"at level {level}",
            )
            for level in (0, 11, -1, 257)
        ),
        Row(
            "agent.skills",
            lambda request: request.agent.skills.update({"klingon": 3}),
            reason="SKILL_NOT_FOUND",
            path="agent.skills*",
            label="nobody knows",
        ),
        *attributes("agent"),
        Row("agent.capacity", put("agent.capacity", -1)),
        Row("agent.capacity", put("agent.capacity", 10_001)),
    ],
    free={"validate_only": "either value is right"},
)

SIGN_IN = Table(
    "AgentService",
    "SignIn",
    works=lambda test, number: test.agents.SignIn.request(
        agent_id=test.fresh_agent(number), presence="PRESENCE_AVAILABLE", request_id=f"sign-in-{number}"
    ),
    looks=lambda test: agent_words(test.agents.GetAgent(agent_id=test.last_agent)),
    rows=[
        *tenant(),
        *request_id(),
        *an_id("agent_id"),
        Row("agent_id", put("agent_id", "nobody"), "NOT_FOUND", "AGENT_NOT_FOUND"),
        Row("presence", clear("presence"), label="left out"),
        Row("presence", put("presence", 1), label="OFFLINE"),
        Row("presence", put("presence", NOT_A_MEMBER)),
        Row("session_lease", moment("session_lease", nanos=500_000_000), label="of half a second"),
        Row("session_lease", moment("session_lease", seconds=86_401), label="of more than 24 h"),
        Row("session_lease", moment("session_lease", seconds=-30), label="below zero"),
        Row("session_lease", moment("session_lease", seconds=30, nanos=-1), label="that is no span"),
        Row("reason", both(put("presence", 3), put("reason", "siesta")), reason="REASON_UNKNOWN"),
        Row("reason", put("reason", "break"), label="beside AVAILABLE"),
    ],
)

ACCEPT_OFFER = Table(
    "AgentService",
    "AcceptOffer",
    works=lambda test, number: test.agents.AcceptOffer.request(
        agent_id=test.fresh_agent(number, queue="support"),
        offer_id=test.fresh_offer(number),
        request_id=f"accept-{number}",
    ),
    looks=lambda test: agent_words(test.agents.GetAgent(agent_id=test.last_agent)),
    rows=[
        *tenant(),
        *request_id(),
        *an_id("agent_id"),
        Row("agent_id", put("agent_id", "nobody"), "NOT_FOUND", "AGENT_NOT_FOUND"),
        Row("agent_id", put("agent_id", "fixed"), "PERMISSION_DENIED", "OFFER_NOT_YOURS", label="of another agent"),
        Row("offer_id", clear("offer_id"), label="left out"),
        Row("offer_id", put("offer_id", "none-such"), "NOT_FOUND", "OFFER_NOT_FOUND"),
        Row("offer_id", put("offer_id", "0"), "NOT_FOUND", "OFFER_NOT_FOUND", label="0"),
        Row("offer_id", put("offer_id", str((1 << 64) - 1)), "NOT_FOUND", "OFFER_NOT_FOUND", label="the largest number"),
    ],
)

TABLES = [CREATE_CONTACT, UPSERT_AGENT, SIGN_IN, ACCEPT_OFFER]

# Methods whose table is still to be written, and those that this release answers UNIMPLEMENTED. A method is in one of
# the three lists, and in no two.
TABLE_FOLLOWS = {
    "ContactService": {
        "GetContact", "ListContacts", "UpdateContact", "ConnectContact", "HoldContact", "ResumeContact",
        "CompleteContact", "CancelContact", "TransferContact", "RequeueContact", "ParkContact", "UnparkContact",
        "RequestCallback", "SubmitSurvey", "WatchContacts", "Session",
    },
    "AgentService": {
        "GetAgent", "ListAgents", "SignOut", "SetPresence", "Heartbeat", "DeclineOffer", "CompleteWrapUp", "WatchAgent",
        "Session",
    },
    "SupervisorService": {
        "DeleteAgent", "MoveContacts", "SetContactPriority", "SetAgentPresence", "GetSnapshot", "WatchSnapshot",
        "GetIntervalReport", "GetAgentReport", "ListContactRecords", "WatchEvents",
    },
    "AdminService": set(),
}  # fmt: skip
UNIMPLEMENTED = {
    "ContactService": {"ReclassifyContact", "ConsultContact", "EstimateWait", "ExplainContact"},
    "AgentService": {"PickContact", "HandoffContact"},
    "SupervisorService": {
        "AssignContact", "SetAgentSkills", "SetQueueOpen", "MonitorContact",
    },
    "AdminService": {
        "ValidateConfig", "ApplyConfig", "GetConfig", "RollbackConfig", "ForgetCustomer", "Drain", "GetStatus",
    },
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


class BadInput(ServerTest):
    numbers = itertools.count(1)

    # Nothing is forgotten

    def test_every_method_has_a_table_or_says_why_not(self):
        for service in ("ContactService", "AgentService", "SupervisorService", "AdminService"):
            with self.subTest(service):
                methods = {method.name for method in getattr(self.client, service).descriptor.methods}
                have = {table.method for table in TABLES if table.service == service}
                lists = [have, TABLE_FOLLOWS[service], UNIMPLEMENTED[service]]
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

    def test_create_contact(self):
        self.walk(CREATE_CONTACT)

    def test_upsert_agent(self):
        self.walk(UPSERT_AGENT)

    def test_sign_in(self):
        self.walk(SIGN_IN)

    def test_accept_offer(self):
        self.walk(ACCEPT_OFFER)

    def walk(self, table):
        method = getattr(getattr(self.client, table.service), table.method)
        request = table.works(self, next(self.numbers))
        before = table.looks(self)
        for row in table.rows:
            with self.subTest(f"{method.name}: {row.label}"):
                bad = method.request_class()
                bad.CopyFrom(request)
                row.spoil(bad)
                refusal = self.refused(method, bad, row.code, row.reason)
                self.names_the_field(refusal, row)
                self.assertEqual(table.looks(self), before, "something changed all the same")
        # A refused request is not remembered: the same request id may now be used as it should be.
        method(request)

    def names_the_field(self, refusal, row):
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

    # What works

    def fresh_agent(self, number, queue=None):
        """A new agent; with `queue`, signed in for good and the only one who serves it."""
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
        self.assertEqual(word(made.contact, "state"), "OFFERED", "the agent signed in is offered the contact")
        return made.contact.offers[0].offer_id


if __name__ == "__main__":
    unittest.main()
