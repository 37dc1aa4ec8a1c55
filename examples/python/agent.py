"""An example desktop: an agent signs in, takes what is offered, and wraps up.

    python agent.py --addr 127.0.0.1:50051 --agent ana

Events come by WatchAgent, which also keeps the agent's lease while it is open. Ctrl-C signs the agent out.
"""

import argparse
import signal
import uuid

import grpc

import resilient
from usher.v1 import agent_pb2, agent_service_pb2 as api, agent_service_pb2_grpc, contact_pb2


class Desk:
    """One agent's desktop."""

    def __init__(self, address, agent_id):
        self.agent_id = agent_id
        self.usher = agent_service_pb2_grpc.AgentServiceStub(resilient.connect(address))
        self.follow = resilient.Follow(self.usher.WatchAgent, api.WatchAgentRequest(agent_id=agent_id))

    def run(self):
        """Works until the stream is stopped."""
        self.sign_in()
        for message in self.follow:
            if message.WhichOneof("item") == "snapshot":
                self.catch_up(message.snapshot)
            else:
                self.event(message.event)
        self.sign_out()

    def sign_in(self):
        """Begins a shift. Each one has a request_id of its own: a repeated one would be answered, not carried out."""
        request = api.SignInRequest(
            agent_id=self.agent_id, presence=agent_pb2.PRESENCE_AVAILABLE, request_id=str(uuid.uuid4())
        )
        resilient.call(self.usher.SignIn, request)
        print(f"signed in {self.agent_id}", flush=True)

    def sign_out(self):
        """Ends the shift, once the last contact is done."""
        request = api.SignOutRequest(agent_id=self.agent_id, request_id=str(uuid.uuid4()))
        resilient.call(self.usher.SignOut, request, patience=5.0)
        print(f"signed out {self.agent_id}", flush=True)

    def catch_up(self, snapshot):
        """Does what came up while nobody listened. The first message of a stream, unless it was resumed."""
        if snapshot.agent.presence == agent_pb2.PRESENCE_OFFLINE:
            # The server was started anew and knows of no shift.
            self.sign_in()
        for offer in snapshot.offers:
            self.accept(offer.offer_id, offer.contact_id)
        for live in snapshot.legs:
            for leg in live.contact.legs:
                if leg.leg_number == live.leg_number and leg.state == contact_pb2.LEG_STATE_WRAP_UP:
                    self.wrap_up(live.contact.contact_id)

    def event(self, event):
        """Takes in an event."""
        name = event.WhichOneof("payload")
        if name == "offer_issued":
            self.accept(event.offer_issued.offer_id, event.offer_issued.contact_id)
        elif name == "leg_wrap_up_started":
            self.wrap_up(event.leg_wrap_up_started.contact_id)

    def accept(self, offer_id, contact_id):
        """Takes an offer. Taking it twice is taking it once."""
        request = api.AcceptOfferRequest(agent_id=self.agent_id, offer_id=offer_id, request_id=str(uuid.uuid4()))
        try:
            resilient.call(self.usher.AcceptOffer, request)
            print(f"accepted {contact_id}", flush=True)
        except grpc.RpcError as error:
            # Too late: it expired, the caller hung up, or the server that made it is gone. Another one will come.
            print(f"missed {contact_id}: {error.details()}", flush=True)

    def wrap_up(self, contact_id):
        """Writes down what there is to say, and is free again."""
        request = api.CompleteWrapUpRequest(
            agent_id=self.agent_id,
            contact_id=contact_id,
            resolved=True,
            request_id=str(uuid.uuid4()),
        )
        try:
            resilient.call(self.usher.CompleteWrapUp, request)
            print(f"wrapped up {contact_id}", flush=True)
        except grpc.RpcError as error:
            print(f"no wrap-up of {contact_id}: {error.details()}", flush=True)


def main():
    parser = argparse.ArgumentParser(description="An example agent's desktop of usher.")
    parser.add_argument("--addr", default="127.0.0.1:50051", help="the server's gRPC address")
    parser.add_argument("--agent", default="ana", help="the agent's id")
    options = parser.parse_args()
    desk = Desk(options.addr, options.agent)
    for wanted in (signal.SIGINT, signal.SIGTERM):
        signal.signal(wanted, lambda *_: desk.follow.stop())
    desk.run()


if __name__ == "__main__":
    main()
