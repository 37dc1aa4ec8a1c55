// An example desktop: an agent signs in, takes what is offered, and wraps up.
//
//     node agent.js --addr 127.0.0.1:50051 --agent ana
//
// Events come by WatchAgent, which also keeps the agent's lease while it is open. Ctrl-C signs the agent out.

import { randomUUID } from 'node:crypto';
import { parseArgs } from 'node:util';
import { api, call, connect, Follow } from './resilient.js';

class Desk {
  constructor(address, agent_id) {
    this.agent_id = agent_id;
    this.usher = connect(api.AgentService, address);
    this.follow = new Follow(this.usher, 'WatchAgent', { agent_id });
  }

  // Works until the stream is stopped.
  async run() {
    await this.signIn();
    for await (const message of this.follow) {
      if (message.item === 'snapshot') await this.catchUp(message.snapshot);
      else await this.event(message.event);
    }
    await this.send('SignOut', {}, { patience: 5_000 });
    console.log(`signed out ${this.agent_id}`);
    this.usher.close();
  }

  // Sends a command of this agent. Each has a request_id of its own, the same in all its retries.
  send(method, fields, options) {
    return call(this.usher, method, { agent_id: this.agent_id, request_id: randomUUID(), ...fields }, options);
  }

  // Begins a shift.
  async signIn() {
    await this.send('SignIn', { presence: 'PRESENCE_AVAILABLE' });
    console.log(`signed in ${this.agent_id}`);
  }

  // Does what came up while nobody listened. The first message of a stream, unless it was resumed.
  async catchUp(snapshot) {
    // The server was started anew and knows of no shift.
    if (snapshot.agent.presence === 'PRESENCE_OFFLINE') await this.signIn();
    for (const offer of snapshot.offers) await this.accept(offer);
    for (const { contact, leg_number } of snapshot.legs) {
      const leg = contact.legs.find((leg) => leg.leg_number === leg_number);
      if (leg?.state === 'LEG_STATE_WRAP_UP') await this.wrapUp(contact);
    }
  }

  async event(event) {
    if (event.payload === 'offer_issued') await this.accept(event.offer_issued);
    else if (event.payload === 'leg_wrap_up_started') await this.wrapUp(event.leg_wrap_up_started);
  }

  // Takes an offer. Taking it twice is taking it once.
  async accept({ offer_id, contact_id }) {
    try {
      await this.send('AcceptOffer', { offer_id });
      console.log(`accepted ${contact_id}`);
    } catch (error) {
      // Too late: it expired, the caller hung up, or the server that made it is gone. Another one will come.
      console.log(`missed ${contact_id}: ${error.details}`);
    }
  }

  // Writes down what there is to say, and is free again.
  async wrapUp({ contact_id }) {
    try {
      await this.send('CompleteWrapUp', { contact_id, resolved: true });
      console.log(`wrapped up ${contact_id}`);
    } catch (error) {
      console.log(`no wrap-up of ${contact_id}: ${error.details}`);
    }
  }
}

const { values: options } = parseArgs({
  options: { addr: { type: 'string', default: '127.0.0.1:50051' }, agent: { type: 'string', default: 'ana' } },
});
const desk = new Desk(options.addr, options.agent);
process.on('SIGINT', () => desk.follow.stop());
process.on('SIGTERM', () => desk.follow.stop());
await desk.run();
