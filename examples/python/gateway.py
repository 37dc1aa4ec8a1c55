"""An example gateway: callers arrive, usher says who takes them, the gateway bridges and hangs up.

    python gateway.py --addr 127.0.0.1:50051 --queue sales --contacts 5

Commands go out as unary calls, events come in by WatchContacts. When usher is away callers hear music here, at the
gateway's own default route, and those who still wait are told to usher when it is back: with the same contact_id and
arrival_time, so that nobody is created twice and everybody has his old place.
"""

import argparse
import heapq
import itertools
import json
import queue
import threading
import time

import grpc

import resilient
from usher.v1 import contact_pb2, contact_service_pb2 as api, contact_service_pb2_grpc, event_pb2

# Stages of a call, as the gateway sees it.
WAITING, BRIDGED, OVER = "waiting", "bridged", "over"
# What the stream's reader says when it finds nobody.
AWAY = "away"


class Call:
    """A caller on the line."""

    def __init__(self, contact):
        self.contact = contact
        self.stage = WAITING
        self.outcome = None
        self.on_default_route = False


class Gateway:
    """One gateway. Everything happens on the thread that runs `run`; another one only reads the stream."""

    def __init__(self, address, name, talk_seconds):
        self.name = name
        self.talk_seconds = talk_seconds
        self.calls = {}
        self.usher = contact_service_pb2_grpc.ContactServiceStub(resilient.connect(address))
        self.inbox = queue.Queue()
        # What is to be done later: (when, number, what); the number keeps order among equals.
        self.agenda = []
        self.numbers = itertools.count()

    def run(self, channel, to_queue, count):
        """Takes `count` callers through; returns how each ended."""
        request = api.WatchContactsRequest(gateway_id=self.name)
        follow = resilient.Follow(self.usher.WatchContacts, request, lambda: self.inbox.put(AWAY))
        threading.Thread(target=self.listen, args=[follow], daemon=True).start()
        for number in range(1, count + 1):
            contact = contact_pb2.Contact(
                contact_id=f"{self.name}-{number}",
                gateway_id=self.name,
                channel=channel,
                queue=to_queue,
            )
            # Said by the gateway, not left to usher: a caller who is told to it once more keeps his place in line.
            contact.arrival_time.GetCurrentTime()
            call = Call(contact)
            self.calls[contact.contact_id] = call
            self.create(call)
        while any(call.stage != OVER for call in self.calls.values()):
            self.work()
        follow.stop()
        return {contact_id: call.outcome for contact_id, call in self.calls.items()}

    def listen(self, follow):
        """Reads the stream, on a thread of its own."""
        try:
            for message in follow:
                self.inbox.put(message)
        except grpc.RpcError as error:
            self.inbox.put(error)

    def work(self):
        """Does the next thing: what is due, or what comes in."""
        wait = 1.0
        if self.agenda:
            wait = self.agenda[0][0] - time.monotonic()
            if wait <= 0:
                _, _, act = heapq.heappop(self.agenda)
                act()
                return
        try:
            message = self.inbox.get(timeout=wait)
        except queue.Empty:
            return
        if isinstance(message, grpc.RpcError):
            raise message
        if message == AWAY:
            self.music()
        else:
            self.hear(message)

    def later(self, seconds, act):
        """Has something done later."""
        heapq.heappush(self.agenda, (time.monotonic() + seconds, next(self.numbers), act))

    def send(self, method, request, then, attempt=0):
        """Sends a command and has `then` look at the answer. While usher is away it is sent again and again, always the
        same: its request_id makes sure that it is carried out once."""
        try:
            answer = method(request, timeout=resilient.DEADLINE)
        except grpc.RpcError as error:
            if error.code() in resilient.RETRY:
                self.music()
                self.later(resilient.pause(attempt), lambda: self.send(method, request, then, attempt + 1))
                return
            answer = error
        then(answer)

    # ---- what the gateway does

    def create(self, call):
        """Tells usher about a caller. Said twice, the answer is the contact as it stands."""
        contact_id = call.contact.contact_id
        request = api.CreateContactRequest(contact=call.contact, request_id=f"{contact_id}:create")

        def then(answer):
            if isinstance(answer, grpc.RpcError):
                raise answer
            self.see(answer.contact)

        self.send(self.usher.CreateContact, request, then)

    def bridge(self, call, leg_number):
        """Customer and agent are put through, then usher is told."""
        contact_id = call.contact.contact_id
        call.stage = BRIDGED
        call.on_default_route = False
        # The media would be connected here. Could the agent not be reached, RequeueContact with AGENT_UNREACHABLE would
        # put the caller back to his place.
        request = api.ConnectContactRequest(contact_id=contact_id, request_id=f"{contact_id}:connect:{leg_number}")

        def then(answer):
            if isinstance(answer, grpc.RpcError):
                # The agent was lost in the same instant, or usher was started anew without its memory. The caller waits
                # again; telling usher about him once more shows where he stands.
                call.stage = WAITING
                self.create(call)
                return
            print(f"bridged {contact_id}", flush=True)
            self.later(self.talk_seconds, lambda: self.hang_up(call))

        self.send(self.usher.ConnectContact, request, then)

    def hang_up(self, call):
        """They have said good-bye."""
        if call.stage != BRIDGED:
            return
        contact_id = call.contact.contact_id
        request = api.CompleteContactRequest(contact_id=contact_id, request_id=f"{contact_id}:complete")

        def then(answer):
            if not isinstance(answer, grpc.RpcError):
                self.over(call, answer.contact.outcome)
            elif answer.code() == grpc.StatusCode.NOT_FOUND:
                # Usher was started anew without its memory while they talked. The call is over all the same.
                self.over(call, contact_pb2.OUTCOME_COMPLETED)
            else:
                raise answer

        self.send(self.usher.CompleteContact, request, then)

    def over(self, call, outcome):
        """The customer's part is over."""
        if call.stage != OVER:
            call.stage = OVER
            call.outcome = contact_pb2.Outcome.Name(outcome).removeprefix("OUTCOME_")
            print(f"over {call.contact.contact_id} {call.outcome}", flush=True)

    def music(self):
        """The default route: what callers get while usher is away."""
        for contact_id, call in self.calls.items():
            if call.stage == WAITING and not call.on_default_route:
                call.on_default_route = True
                print(f"usher is away: {contact_id} hears music", flush=True)

    # ---- what the gateway hears

    def hear(self, message):
        """Takes in a message of the stream."""
        item = message.WhichOneof("item")
        if item == "event":
            self.event(message.event)
        elif item == "snapshot":
            for contact in message.snapshot.contacts:
                self.see(contact)
        elif item == "snapshot_complete":
            # The stream began anew. Whoever still waits here is told to usher, which may have forgotten him.
            for call in self.calls.values():
                if call.stage == WAITING:
                    self.create(call)

    def see(self, contact):
        """Catches up with a contact as it stands."""
        call = self.calls.get(contact.contact_id)
        if call is None or call.stage == OVER:
            return
        if contact.outcome:
            self.over(call, contact.outcome)
        elif contact.state == contact_pb2.CONTACT_STATE_ASSIGNED and call.stage == WAITING:
            self.bridge(call, contact.legs[-1].leg_number)

    def event(self, event):
        """Takes in an event."""
        name = event.WhichOneof("payload")
        payload = getattr(event, name)
        call = self.calls.get(getattr(payload, "contact_id", None))
        if call is None or call.stage == OVER:
            return
        if name == "offer_accepted" and payload.after == contact_pb2.CONTACT_STATE_ASSIGNED and call.stage == WAITING:
            self.bridge(call, payload.leg_number)
        elif name == "contact_queued" and payload.cause != event_pb2.QUEUE_CAUSE_ARRIVED:
            call.stage = WAITING
        elif name == "contact_ended":
            self.over(call, payload.outcome)


def main():
    parser = argparse.ArgumentParser(description="An example gateway of usher.")
    parser.add_argument("--addr", default="127.0.0.1:50051", help="the server's gRPC address")
    parser.add_argument("--gateway", default="python-gateway", help="this gateway's id")
    parser.add_argument("--channel", default="voice", help="channel of the callers")
    parser.add_argument("--queue", default="sales", help="queue they want")
    parser.add_argument("--contacts", type=int, default=3, help="how many come")
    parser.add_argument("--talk", type=float, default=2.0, help="seconds they talk")
    options = parser.parse_args()
    gateway = Gateway(options.addr, options.gateway, options.talk)
    print(json.dumps(gateway.run(options.channel, options.queue, options.contacts)), flush=True)


if __name__ == "__main__":
    main()
