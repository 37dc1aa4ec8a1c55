"""Requests that work and rows that each spoil one thing in them: what `test_bad_input.py` walks through.

A `Table` is of one method; every field a client may fill has a row in it, or stands in `free` with the reason why
nothing can be wrong with it. `test_bad_input.py` compares both with what reflection says.
"""

import time
from pathlib import Path

from harness import after, word

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


def requirements(owner="", field="requirements"):
    """A requirement that is no sentence, names what nobody knows, is too long, or comes in both forms."""
    text = f"{owner}{field}"
    structured = f"{owner}requirement"

    def part(request):
        return getattr(request, owner[:-1]).requirement if owner else request.requirement

    def compare(request, skill="french", **fields):
        one = part(request).compare
        one.skill = skill
        one.value.int64_value = 3
        for name, value in fields.items():
            setattr(one, name, value)

    def parts(request):
        for _ in range(65):
            part(request).all.parts.add().agents.agent_ids.append("ana")

    without_text = clear(text)
    form = f"{structured}*"
    invalid = "REQUIREMENT_INVALID"
    rows = [
        Row(text, put(text, "french >="), reason=invalid),
        Row(text, put(text, "klingon >= 3"), reason=invalid),
        Row(text, put(text, "french >= 11"), reason=invalid),
        Row(text, put(text, " and ".join(["french >= 3"] * 300)), reason=(invalid, "FIELD_INVALID"), label="too long"),
        Row(structured, both(without_text, compare), path=form, label="without a comparison"),
        Row(structured, both(without_text, parts), path=form, label="of 65 parts"),
        Row(
            structured,
            both(without_text, lambda request: compare(request, "klingon", comparison=6)),
            reason=invalid,
            path=form,
            label="with an unknown skill",
        ),
        Row(
            structured,
            both(put(text, "french >= 3"), lambda request: compare(request, comparison=6)),
            path=form,
            label="in both forms",
        ),
    ]
    return rows


# --- The tables


class Table:
    """A method, a request that works, what may stay unspoilt, and the rows.

    `works` makes the request, given the test and a fresh number. `looks` reads what the request would change, so that it
    can be seen to be unchanged. `free` are fields with which nothing can be wrong, each with the reason.
    """

    def __init__(self, service, method, works, looks, rows, free=None, ends_the_server=False):
        self.service, self.method, self.works, self.looks = service, method, works, looks
        self.rows, self.free = rows, free or {}
        # Then the request that works is not sent in the end; a test of its own does that.
        self.ends_the_server = ends_the_server


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
        *requirements("contact."),
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
    free={"validate_only": "either value is right; what it does is tested on its own"},
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


def contact_words(answer):
    """How a contact stands, times and spans left out."""
    contact = answer.contact
    legs = [(leg.agent_id, word(leg, "state")) for leg in contact.legs]
    return word(contact, "state"), contact.priority, contact.queue, contact.requirements, contact.disposition, legs


def the_contact(test):
    """The last contact made, as it stands."""
    return contact_words(test.contacts.GetContact(contact_id=test.last_contact))


def the_agent(test):
    """The last agent made, as he stands."""
    return agent_words(test.agents.GetAgent(agent_id=test.last_agent))


def nothing(_test):
    """A reading changes nothing."""


def known_contact(path="contact_id"):
    """A contact's id that is wrong in form, or is nobody's."""
    return [*an_id(path), Row(path, put(path, "nobody"), "NOT_FOUND", "CONTACT_NOT_FOUND", label="of no contact")]


def known_agent():
    """An agent's id that is wrong in form, or is nobody's."""
    return [*an_id("agent_id"), Row("agent_id", put("agent_id", "nobody"), "NOT_FOUND", "AGENT_NOT_FOUND")]


def leg_number():
    """A leg of a conference, which is not there yet, and no leg at all."""
    return [
        Row("leg_number", put("leg_number", 2), "UNIMPLEMENTED", "UNIMPLEMENTED"),
        Row("leg_number", put("leg_number", -1), label="below zero"),
    ]


def disposition():
    """A disposition the tenant does not have, and one too long to be one."""
    return [
        Row("disposition", put("disposition", "lost"), reason="DISPOSITION_UNKNOWN"),
        Row("disposition", put("disposition", "x" * 1025), label="of 1025 bytes"),
    ]


def contact_verb(method, state, *rows, service="ContactService", **fields):
    """A verb on a contact in the state it is for."""
    return Table(
        service,
        method,
        works=lambda test, number: getattr(getattr(test.client, service), method).request(
            contact_id=test.contact_in(number, state), request_id=f"{method}-{number}", **fields
        ),
        looks=the_contact,
        rows=[*tenant(), *request_id(), *known_contact(), *rows],
    )


def agent_verb(service, method, *rows, free=None, **fields):
    """A verb on an agent who is signed in."""
    return Table(
        service,
        method,
        works=lambda test, number: getattr(getattr(test.client, service), method).request(
            agent_id=test.signed_in_agent(number), request_id=f"{method}-{number}", **fields
        ),
        looks=the_agent,
        rows=[*tenant(), *request_id(), *known_agent(), *rows],
        free=free,
    )


def chosen(path):
    """A list of ids to choose by: too many, or one that cannot be an id."""

    def add(*ids):
        return lambda request: getattr(request, path).extend(ids)

    return [
        Row(path, add(*(f"i{number}" for number in range(1001))), label="1001 of them"),
        Row(path, add(LONG_ID), label="with one of 129 bytes"),
        Row(path, add(""), label="with an empty one"),
    ]


def members(path):
    """A list of enum values with one that is none, and with UNSPECIFIED."""
    return [
        Row(path, lambda request: getattr(request, path).append(NOT_A_MEMBER)),
        Row(path, lambda request: getattr(request, path).append(0), label="UNSPECIFIED"),
    ]


def pages(list_method):
    """Page sizes and tokens of another list."""

    def of_another_list(request):
        request.page_token = "5.5"

    return [
        Row("page_size", put("page_size", -1)),
        Row("page_token", put("page_token", "nonsense"), reason="PAGE_TOKEN_INVALID"),
        Row("page_token", of_another_list, reason="PAGE_TOKEN_INVALID", label=f"not of this {list_method}"),
    ]


def resume_token():
    """Resume tokens that are none, and of another watch."""
    return [
        Row("resume_token", put("resume_token", "nonsense"), reason="RESUME_TOKEN_INVALID"),
        Row("resume_token", put("resume_token", "5.5"), reason="RESUME_TOKEN_INVALID", label="of another watch"),
    ]


GET_CONTACT = Table(
    "ContactService",
    "GetContact",
    works=lambda test, number: test.contacts.GetContact.request(contact_id=test.contact_in(number, "QUEUED")),
    looks=the_contact,
    rows=[*tenant(), *known_contact()],
)

ESTIMATE_WAIT = Table(
    "ContactService",
    "EstimateWait",
    works=lambda test, number: test.contacts.EstimateWait.request(hypothetical={"channel": "voice", "queue": "sales"}),
    looks=nothing,
    rows=[
        *tenant(),
        *an_id("contact_id", required=False),
        Row("contact_id", put("contact_id", "nobody"), "NOT_FOUND", "CONTACT_NOT_FOUND", label="of no contact"),
        Row("hypothetical", clear("hypothetical"), path="subject", label="left out"),
        Row("hypothetical.channel", clear("hypothetical.channel"), label="left out"),
        Row("hypothetical.channel", put("hypothetical.channel", "telex"), reason="CHANNEL_NOT_FOUND"),
        Row("hypothetical.queue", clear("hypothetical.queue"), label="left out"),
        Row("hypothetical.queue", put("hypothetical.queue", "nowhere"), reason="QUEUE_NOT_FOUND"),
        Row("hypothetical.priority", put("hypothetical.priority", 101)),
        Row("hypothetical.priority", put("hypothetical.priority", -101)),
        *requirements("hypothetical."),
        *attributes("hypothetical"),
    ],
    free={
        f"hypothetical.{field}": "not looked at: nothing is created"
        for field in (
            "contact_id gateway_id direction kind parent_contact_id callback_of conversation_id customer_id "
            "preferred_agent_id agent_id arrival_time schedule_time expire_time personal_attributes customer_address "
            "age_credit"
        ).split()
    },
)

LIST_CONTACTS = Table(
    "ContactService",
    "ListContacts",
    works=lambda test, number: test.contacts.ListContacts.request(page_size=1),
    looks=nothing,
    rows=[
        *tenant(),
        *members("states"),
        *chosen("queues"),
        *an_id("channel", required=False),
        Row("direction", put("direction", NOT_A_MEMBER)),
        *an_id("gateway_id", required=False),
        *an_id("agent_id", required=False),
        *an_id("customer_id", required=False),
        *an_id("conversation_id", required=False),
        Row("kind", put("kind", NOT_A_MEMBER)),
        Row("kind", put("kind", 2), "UNIMPLEMENTED", "UNIMPLEMENTED", label="CONSULT"),
        *pages("ListContacts"),
    ],
)

MASK = (
    "attributes,personalAttributes,customerId,customerAddress,conversationId,preferredAgentId,priority,requirements,"
    "expireTime"
)

UPDATE_CONTACT = Table(
    "ContactService",
    "UpdateContact",
    works=lambda test, number: test.contacts.UpdateContact.request(
        contact={"contact_id": test.contact_in(number, "QUEUED"), "priority": 3, "requirements": "french >= 3"},
        update_mask=MASK,
        request_id=f"update-{number}",
    ),
    looks=the_contact,
    rows=[
        *tenant(),
        *request_id(),
        Row("contact", clear("contact"), label="left out"),
        *known_contact("contact.contact_id"),
        Row("update_mask", clear("update_mask"), label="left out"),
        Row("update_mask", lambda request: request.update_mask.paths.append("channel"), label="with a fixed field"),
        Row("update_mask", lambda request: request.update_mask.paths.append("nonsense"), label="with no field"),
        *an_id("contact.conversation_id", required=False),
        *an_id("contact.preferred_agent_id", required=False),
        *an_id("contact.customer_id", required=False),
        Row("contact.customer_address", put("contact.customer_address", "x" * 257), label="of 257 bytes"),
        Row("contact.priority", put("contact.priority", 101)),
        Row("contact.priority", put("contact.priority", -101)),
        *requirements("contact."),
        *attributes("contact"),
        Row(
            "contact.personal_attributes",
            lambda request: request.contact.personal_attributes.append("absent"),
            path="contact.personal_attributes*",
        ),
        Row("contact.expire_time", moment("contact.expire_time", from_now=-60), label="past"),
        Row("contact.expire_time", moment("contact.expire_time", from_now=60, nanos=-1), label="that is no time"),
    ],
    free={
        f"contact.{field}": "cannot be updated: a mask that names it is refused, and without it is not looked at"
        for field in (
            "gateway_id direction kind parent_contact_id callback_of channel queue agent_id "
            "arrival_time schedule_time age_credit"
        ).split()
    },
)

TRANSFER_CONTACT = Table(
    "ContactService",
    "TransferContact",
    works=lambda test, number: test.contacts.TransferContact.request(
        contact_id=test.contact_in(number, "CONNECTED"), queue="sales", request_id=f"transfer-{number}"
    ),
    looks=the_contact,
    rows=[
        *tenant(),
        *request_id(),
        *known_contact(),
        Row("queue", clear("queue"), path="target", label="left out, and no other target"),
        *an_id("queue", required=False),
        Row("queue", put("queue", "nowhere"), reason="QUEUE_NOT_FOUND"),
        *an_id("agent_id", required=False),
        Row("agent_id", put("agent_id", "nobody"), reason="AGENT_NOT_FOUND"),
        Row("agent_id", put("agent_id", "fixed"), "FAILED_PRECONDITION", "AGENT_UNAVAILABLE", label="signed out"),
        Row("consult_contact_id", put("consult_contact_id", "consult"), "UNIMPLEMENTED", "UNIMPLEMENTED"),
        *requirements(),
        Row("reason", put("reason", "x" * 1025), label="of 1025 bytes"),
    ],
)

CONTACT_VERBS = [
    contact_verb("ConnectContact", "ASSIGNED", *leg_number()),
    contact_verb("HoldContact", "CONNECTED", *leg_number()),
    contact_verb("ResumeContact", "ON_HOLD", *leg_number()),
    contact_verb("CompleteContact", "CONNECTED", *leg_number(), *disposition()),
    contact_verb(
        "CancelContact",
        "QUEUED",
        Row("cause", clear("cause"), label="left out"),
        Row("cause", put("cause", NOT_A_MEMBER)),
        cause="CANCEL_CAUSE_SYSTEM",
    ),
    contact_verb("RequeueContact", "ASSIGNED", Row("cause", put("cause", NOT_A_MEMBER))),
    contact_verb("ParkContact", "QUEUED"),
    contact_verb("UnparkContact", "PARKED"),
    contact_verb(
        "ReclassifyContact",
        "QUEUED",
        Row("queue", clear("queue"), label="left out, and no rule says where"),
        *an_id("queue", required=False),
        Row("queue", put("queue", "nowhere"), reason="QUEUE_NOT_FOUND"),
        queue="sales",
    ),
    contact_verb(
        "RequestCallback",
        "QUEUED",
        Row("callback_time", moment("callback_time", from_now=-60), label="past"),
        Row("callback_time", moment("callback_time", from_now=31 * 86_400), label="more than 30 d ahead"),
        Row("callback_time", moment("callback_time", from_now=60, nanos=-1), label="that is no time"),
        *an_id("new_contact_id", required=False),
        Row(
            "new_contact_id",
            lambda request: setattr(request, "new_contact_id", request.contact_id),
            "ALREADY_EXISTS",
            "CONTACT_EXISTS",
            label="of a contact that is there",
        ),
        Row("customer_address", put("customer_address", "x" * 257), label="of 257 bytes"),
    ),
    contact_verb(
        "SubmitSurvey",
        "CONNECTED",
        Row("kind", clear("kind"), label="left out"),
        Row("kind", put("kind", NOT_A_MEMBER)),
        Row("score", put("score", 0), label="below the scale"),
        Row("score", put("score", 6), label="above the scale"),
        kind="SURVEY_KIND_CSAT",
        score=4,
    ),
    contact_verb(
        "SetContactPriority",
        "QUEUED",
        Row("priority", put("priority", 101)),
        Row("priority", put("priority", -101)),
        service="SupervisorService",
        priority=7,
    ),
]

MOVE_CONTACTS = Table(
    "SupervisorService",
    "MoveContacts",
    works=lambda test, number: test.supervisors.MoveContacts.request(
        from_queue="sales",
        to_queue="store" if test.contact_in(number, "QUEUED") else "",
        limit=1,
        request_id=f"move-{number}",
    ),
    looks=the_contact,
    rows=[
        *tenant(),
        *request_id(),
        *an_id("from_queue"),
        Row("from_queue", put("from_queue", "nowhere"), reason="QUEUE_NOT_FOUND"),
        *an_id("to_queue"),
        Row("to_queue", put("to_queue", "nowhere"), reason="QUEUE_NOT_FOUND"),
        Row("to_queue", put("to_queue", "sales"), label="the same queue"),
        Row("contact_ids", lambda request: request.contact_ids.append("c"), label="beside from_queue"),
        *(
            Row(
                "contact_ids",
                both(clear("from_queue"), clear("limit"), lambda request, ids=ids: request.contact_ids.extend(ids)),
                label=label,
            )
            for ids, label in ((["c"] * 1001, "1001 of them"), ([LONG_ID], "with one of 129 bytes"), ([""], "empty"))
        ),
        Row(
            "contact_ids",
            both(clear("from_queue"), clear("limit"), lambda request: request.contact_ids.append("nobody")),
            "NOT_FOUND",
            "CONTACT_NOT_FOUND",
            label="of no contact",
        ),
        Row("limit", put("limit", -1)),
        *an_id("channel", required=False),
        Row("channel", put("channel", "telex"), reason="CHANNEL_NOT_FOUND"),
    ],
)

WATCH_CONTACTS = Table(
    "ContactService",
    "WatchContacts",
    works=lambda test, number: test.contacts.WatchContacts.request(gateway_id=f"watch-{number}"),
    looks=nothing,
    rows=[
        *tenant(),
        *an_id("gateway_id", required=False),
        *chosen("queues"),
        *chosen("contact_ids"),
        *resume_token(),
    ],
)

GET_AGENT = Table(
    "AgentService",
    "GetAgent",
    works=lambda test, number: test.agents.GetAgent.request(agent_id=test.fresh_agent(number)),
    looks=the_agent,
    rows=[*tenant(), *known_agent()],
)

LIST_AGENTS = Table(
    "AgentService",
    "ListAgents",
    works=lambda test, number: test.agents.ListAgents.request(page_size=1),
    looks=nothing,
    rows=[
        *tenant(),
        *chosen("teams"),
        Row("site", put("site", LONG_ID), label="of 129 bytes"),
        *members("presences"),
        *members("routings"),
        Row("type", put("type", NOT_A_MEMBER)),
        *requirements(),
        *pages("ListAgents"),
    ],
)

HEARTBEAT = Table(
    "AgentService",
    "Heartbeat",
    works=lambda test, number: test.agents.Heartbeat.request(agent_id=test.signed_in_agent(number)),
    looks=the_agent,
    rows=[
        *tenant(),
        *known_agent(),
        Row("agent_id", put("agent_id", "fixed"), "FAILED_PRECONDITION", "AGENT_SIGNED_OUT", label="signed out"),
    ],
)

PRESENCE = [
    Row("agent_id", put("agent_id", "fixed"), "FAILED_PRECONDITION", "AGENT_SIGNED_OUT", label="signed out"),
    Row("presence", clear("presence"), label="left out"),
    Row("presence", put("presence", NOT_A_MEMBER)),
    Row("reason", put("reason", "siesta"), reason="REASON_UNKNOWN"),
    Row("reason", put("reason", "x" * 1025), label="of 1025 bytes"),
    Row("reason", both(put("presence", 2), put("reason", "break")), label="beside AVAILABLE"),
]

BREAK = {"presence": "PRESENCE_NOT_READY", "reason": "break"}

AGENT_VERBS = [
    agent_verb("AgentService", "SignOut", free={"force": "either value is right"}),
    agent_verb("AgentService", "SetPresence", *PRESENCE, **BREAK),
    agent_verb("SupervisorService", "SetAgentPresence", *PRESENCE, **BREAK),
    agent_verb(
        "SupervisorService",
        "DeleteAgent",
        Row("agent_id", put("agent_id", "fixed"), "FAILED_PRECONDITION", "MANAGED_BY_CONFIG", label="of the file"),
    ),
]

PICK_CONTACT = Table(
    "AgentService",
    "PickContact",
    works=lambda test, number: test.agents.PickContact.request(
        contact_id=test.contact_in(number, "QUEUED"), agent_id=test.onlooker(number), request_id=f"pick-{number}"
    ),
    looks=the_contact,
    rows=[
        *tenant(),
        *request_id(),
        *known_agent(),
        Row("agent_id", put("agent_id", "fixed"), "FAILED_PRECONDITION", "AGENT_UNAVAILABLE", label="signed out"),
        *known_contact(),
    ],
)

ASSIGN_CONTACT = Table(
    "SupervisorService",
    "AssignContact",
    works=lambda test, number: test.supervisors.AssignContact.request(
        contact_id=test.contact_in(number, "PARKED"), agent_id=test.onlooker(number), request_id=f"assign-{number}"
    ),
    looks=the_contact,
    rows=[
        *tenant(),
        *request_id(),
        *known_agent(),
        Row("agent_id", put("agent_id", "fixed"), "FAILED_PRECONDITION", "AGENT_UNAVAILABLE", label="signed out"),
        *known_contact(),
    ],
    free={"force": "either value is right"},
)

SET_AGENT_SKILLS = agent_verb(
    "SupervisorService",
    "SetAgentSkills",
    Row("skills", clear("skills"), label="left out"),
    *(
        Row("skills", lambda request, skill=skill, level=level: request.skills.update({skill: level}), **wrong)
        for skill, level, wrong in (
            ("french", 11, {"path": 'skills["french"]', "label": "above 10"}),
            ("french", -1, {"path": 'skills["french"]', "label": "below 0"}),
            ("klingon", 5, {"reason": "SKILL_NOT_FOUND", "label": "that nobody has"}),
            (LONG_ID, 5, {"path": "skills*", "label": "of 129 bytes"}),
        )
    ),
    Row("expire_time", moment("expire_time", from_now=-60), label="past"),
    Row("expire_time", moment("expire_time", from_now=31 * 86_400), label="more than 30 d ahead"),
    Row("expire_time", moment("expire_time", from_now=60, nanos=-1), label="that is no time"),
    Row(
        "agent_id",
        both(put("agent_id", "fixed"), clear("expire_time")),
        "FAILED_PRECONDITION",
        "MANAGED_BY_CONFIG",
        label="of the file, for good",
    ),
    skills={"french": 2},
    expire_time=after(3600),
)

SET_QUEUE_OPEN = Table(
    "SupervisorService",
    "SetQueueOpen",
    works=lambda test, number: test.supervisors.SetQueueOpen.request(
        queue="store", open=False, expire_time=after(3600), request_id=f"open-{number}"
    ),
    looks=lambda test: store_is_open(test),
    rows=[
        *tenant(),
        *request_id(),
        *an_id("queue"),
        Row("queue", put("queue", "nowhere"), "NOT_FOUND", "QUEUE_NOT_FOUND", label="nobody has"),
        Row("open", clear("open"), path="expire_time", label="left out beside expire_time"),
        Row("expire_time", moment("expire_time", from_now=-60), label="past"),
        Row("expire_time", moment("expire_time", from_now=60, nanos=-1), label="that is no time"),
    ],
)


def store_is_open(test):
    """Whether the queue `store` is open, and opens it again for the next row."""
    queues = test.supervisors.GetSnapshot().snapshot.queues
    test.addCleanup(test.supervisors.SetQueueOpen, queue="store")
    return [(queue.queue, queue.open) for queue in queues]


DECLINE_OFFER = Table(
    "AgentService",
    "DeclineOffer",
    works=lambda test, number: test.agents.DeclineOffer.request(
        agent_id=test.fresh_agent(number, queue="support"),
        offer_id=test.fresh_offer(number),
        reason="DECLINE_REASON_BUSY",
        request_id=f"decline-{number}",
    ),
    looks=the_agent,
    rows=[
        *ACCEPT_OFFER.rows,
        Row("reason", clear("reason"), label="left out"),
        Row("reason", put("reason", NOT_A_MEMBER)),
        Row("retry_time", moment("retry_time", seconds=-1), label="below zero"),
        Row("retry_time", moment("retry_time", seconds=86_401), label="of more than 24 h"),
        Row("retry_time", moment("retry_time", seconds=1, nanos=-1), label="that is no span"),
    ],
)

COMPLETE_WRAP_UP = Table(
    "AgentService",
    "CompleteWrapUp",
    works=lambda test, number: test.agents.CompleteWrapUp.request(
        contact_id=test.contact_in(number, "WRAP_UP"), agent_id=test.last_agent, request_id=f"wrap-up-{number}"
    ),
    looks=the_contact,
    rows=[
        *tenant(),
        *request_id(),
        *known_contact(),
        *known_agent(),
        Row("agent_id", put("agent_id", "fixed"), "FAILED_PRECONDITION", "NOT_WRAPPING_UP", label="of another agent"),
        *disposition(),
    ],
    free={"resolved": "either value is right, and none"},
)

WATCH_AGENT = Table(
    "AgentService",
    "WatchAgent",
    works=lambda test, number: test.agents.WatchAgent.request(agent_id=test.fresh_agent(number)),
    looks=the_agent,
    rows=[*tenant(), *known_agent(), *resume_token()],
)

# What the server runs with, so that the request that works makes no version.
RUNNING = (Path(__file__).parent / "usher.toml").read_text(encoding="utf-8")


def in_force(test):
    """The version in force."""
    return test.client.AdminService.GetConfig().version.version


def a_config():
    """A configuration that is not there, or has a fault."""
    return [
        Row("config", clear("config"), label="left out"),
        Row("config", put("config", "[[tenants]]\nid = 1\n"), reason="CONFIG_INVALID", path="config.*", label="with a fault"),
    ]


def removed_queues(known_tenant=True):
    """Queues that go: their names, and where their contacts go."""

    def gone(queue, target):
        return lambda request: request.removed_queues.add(queue=queue, target=target)

    path = "removed_queues"
    rows = [
        Row(path, gone("", "sales"), path=f"{path}[0].queue", label="without a queue"),
        Row(path, gone("gone", ""), path=f"{path}[0].target", label="without a target"),
        Row(path, gone("gone", LONG_ID), path=f"{path}[0].target", label="with a target of 129 bytes"),
    ]
    return rows + ([Row(path, gone("gone", "nowhere"), reason="QUEUE_NOT_FOUND")] if known_tenant else [])


def a_version(reason="VERSION_NOT_FOUND"):
    return [Row("version", put("version", 999), "NOT_FOUND", reason)]


EXPECTED = [Row("expected_version", put("expected_version", 999), "ABORTED", "VERSION_MISMATCH")]
COMMENT = [Row("comment", put("comment", "x" * 257), label="of 257 bytes")]

VALIDATE_CONFIG = Table(
    "AdminService",
    "ValidateConfig",
    works=lambda test, number: test.client.AdminService.ValidateConfig.request(config=RUNNING),
    looks=in_force,
    rows=[*tenant(), a_config()[0], *removed_queues(known_tenant=False)],
)

APPLY_CONFIG = Table(
    "AdminService",
    "ApplyConfig",
    works=lambda test, number: test.client.AdminService.ApplyConfig.request(
        config=RUNNING, comment="again", request_id=f"apply-{number}"
    ),
    looks=in_force,
    rows=[*tenant(), *request_id(), *a_config(), *removed_queues(), *EXPECTED, *COMMENT],
    free={"dry_run": "either value is right"},
)

GET_CONFIG = Table(
    "AdminService",
    "GetConfig",
    works=lambda test, number: test.client.AdminService.GetConfig.request(include_history=True),
    looks=in_force,
    rows=[*tenant(), *a_version()],
    free={"include_history": "either value is right"},
)

ROLLBACK_CONFIG = Table(
    "AdminService",
    "RollbackConfig",
    works=lambda test, number: test.client.AdminService.RollbackConfig.request(
        version=in_force(test), request_id=f"rollback-{number}"
    ),
    looks=in_force,
    rows=[*tenant(), *request_id(), *a_version(), *removed_queues(), *EXPECTED, *COMMENT],
)

FORGET_CUSTOMER = Table(
    "AdminService",
    "ForgetCustomer",
    works=lambda test, number: test.client.AdminService.ForgetCustomer.request(
        customer_id=f"customer-{number}", request_id=f"forget-{number}"
    ),
    looks=nothing,
    rows=[*tenant(), *request_id(), *an_id("customer_id")],
)

def span(required=()):
    """Times that are none, and an end before the beginning."""
    return [
        Row("start_time", moment("start_time", nanos=-1), label="that is no time"),
        Row("end_time", moment("end_time", nanos=-1), label="that is no time"),
        Row("end_time", both(moment("start_time", seconds=20), moment("end_time", seconds=10)), label="before start_time"),
        *required,
    ]


def dates():
    """A day that is none, and one beside a span."""
    return [
        Row("date", put("date", "2026-02-30"), label="that is no day"),
        Row("date", both(put("date", "2026-02-03"), moment("start_time", seconds=20)), label="beside start_time"),
    ]


def sizes():
    """Pages of no size, and tokens of another report."""
    invalid = "PAGE_TOKEN_INVALID"
    return [
        Row("page_size", put("page_size", -1)),
        Row("page_token", put("page_token", "nonsense"), reason=invalid),
    ]


ANY = "any name is right: unknown ones match nothing"
SNAPSHOT_FREE = {"queues": ANY, "teams": ANY, "include_agents": "either value is right"}

GET_SNAPSHOT = Table(
    "SupervisorService",
    "GetSnapshot",
    works=lambda test, number: test.supervisors.GetSnapshot.request(),
    looks=nothing,
    rows=[*tenant()],
    free=SNAPSHOT_FREE,
)

WATCH_SNAPSHOT = Table(
    "SupervisorService",
    "WatchSnapshot",
    works=lambda test, number: test.supervisors.WatchSnapshot.request(),
    looks=nothing,
    rows=[
        *tenant(),
        Row("min_interval", moment("min_interval", nanos=99_999_999), label="of less than 100 ms"),
        Row("min_interval", moment("min_interval", seconds=61), label="of more than 60 s"),
        Row("min_interval", moment("min_interval", seconds=-1), label="below zero"),
    ],
    free=SNAPSHOT_FREE,
)

GET_INTERVAL_REPORT = Table(
    "SupervisorService",
    "GetIntervalReport",
    works=lambda test, number: test.supervisors.GetIntervalReport.request(),
    looks=nothing,
    rows=[
        *tenant(),
        *span(),
        *dates(),
        Row("interval", moment("interval", seconds=7), label="of 7 s"),
        Row("interval", moment("interval", seconds=-900), label="below zero"),
        Row("dimensions", lambda request: request.dimensions.append(0), label="unspecified"),
        Row("dimensions", lambda request: request.dimensions.append(NOT_A_MEMBER)),
        Row("directions", lambda request: request.directions.append(0), label="unspecified"),
        Row("directions", lambda request: request.directions.append(NOT_A_MEMBER)),
        *sizes(),
    ],
    free={"queues": ANY, "channels": ANY, "teams": ANY, "skills": ANY, "sites": ANY, "include_empty": "either is right"},
)

GET_AGENT_REPORT = Table(
    "SupervisorService",
    "GetAgentReport",
    works=lambda test, number: test.supervisors.GetAgentReport.request(),
    looks=nothing,
    rows=[
        *tenant(),
        *span(),
        *dates(),
        Row("direction", put("direction", NOT_A_MEMBER)),
        Row("outlier_deviations", put("outlier_deviations", -1.0)),
        Row("outlier_deviations", put("outlier_deviations", float("nan")), label="that is no number"),
        Row("outlier_min_handled", put("outlier_min_handled", -1)),
        *sizes(),
    ],
    free={"agent_ids": ANY, "teams": ANY, "sites": ANY},
)

LIST_CONTACT_RECORDS = Table(
    "SupervisorService",
    "ListContactRecords",
    works=lambda test, number: test.supervisors.ListContactRecords.request(),
    looks=nothing,
    rows=[
        *tenant(),
        *span(),
        Row("directions", lambda request: request.directions.append(NOT_A_MEMBER)),
        Row("outcomes", lambda request: request.outcomes.append(NOT_A_MEMBER)),
        Row("min_wait", moment("min_wait", seconds=-1), label="below zero"),
        *sizes(),
    ],
    free={
        name: ANY
        for name in ("contact_ids", "queues", "channels", "agent_ids", "teams", "customer_id", "conversation_id",
                     "dispositions")
    },
)  # fmt: skip

WATCH_EVENTS = Table(
    "SupervisorService",
    "WatchEvents",
    works=lambda test, number: test.supervisors.WatchEvents.request(),
    looks=nothing,
    rows=[
        *tenant(),
        Row("event_names", lambda request: request.event_names.append("contact_lost")),
        *resume_token(),
    ],
    free={name: ANY for name in ("queues", "channels", "agent_ids", "contact_ids", "gateway_ids")},
)

DRAIN = Table(
    "AdminService",
    "Drain",
    works=lambda test, number: test.client.AdminService.Drain.request(request_id=f"drain-{number}"),
    looks=in_force,
    rows=[
        *tenant(),
        *request_id(),
        Row("grace", moment("grace", seconds=601), label="of more than 10 min"),
        Row("grace", moment("grace", seconds=-1), label="below zero"),
    ],
    ends_the_server=True,
)

GET_STATUS = Table(
    "AdminService",
    "GetStatus",
    works=lambda test, number: test.client.AdminService.GetStatus.request(),
    looks=in_force,
    rows=[*tenant()],
)

TABLES = [
    ESTIMATE_WAIT,
    DRAIN,
    GET_STATUS,
    GET_SNAPSHOT,
    WATCH_SNAPSHOT,
    GET_INTERVAL_REPORT,
    GET_AGENT_REPORT,
    LIST_CONTACT_RECORDS,
    WATCH_EVENTS,
    VALIDATE_CONFIG,
    APPLY_CONFIG,
    GET_CONFIG,
    ROLLBACK_CONFIG,
    PICK_CONTACT,
    SET_QUEUE_OPEN,
    SET_AGENT_SKILLS,
    ASSIGN_CONTACT,
    CREATE_CONTACT,
    GET_CONTACT,
    LIST_CONTACTS,
    UPDATE_CONTACT,
    TRANSFER_CONTACT,
    *CONTACT_VERBS,
    MOVE_CONTACTS,
    WATCH_CONTACTS,
    GET_AGENT,
    LIST_AGENTS,
    SIGN_IN,
    HEARTBEAT,
    *AGENT_VERBS,
    ACCEPT_OFFER,
    DECLINE_OFFER,
    COMPLETE_WRAP_UP,
    WATCH_AGENT,
    UPSERT_AGENT,
    FORGET_CUSTOMER,
]


class Opening:
    """The command that opens a session: one that works, and rows that spoil it."""

    def __init__(self, service, works, rows, free):
        self.service, self.works, self.rows, self.free = service, works, rows, free


EVENT_NAMES = Row("event_names", lambda request: request.event_names.append("contact_lost"))
BRIEF = {"brief_replies": "either value is right"}

OPENINGS = [
    Opening(
        "ContactService",
        lambda test, number: {"gateway_id": f"gateway-{number}"},
        [
            *tenant(),
            *an_id("gateway_id"),
            Row("lease", moment("lease", nanos=500_000_000), label="of half a second"),
            Row("lease", moment("lease", seconds=86_401), label="of more than 24 h"),
            Row("lease", moment("lease", seconds=-30), label="below zero"),
            *resume_token(),
            EVENT_NAMES,
        ],
        BRIEF,
    ),
    Opening(
        "AgentService",
        lambda test, number: {"agent_id": test.fresh_agent(number)},
        [*tenant(), *known_agent(), *resume_token(), EVENT_NAMES],
        BRIEF,
    ),
]
