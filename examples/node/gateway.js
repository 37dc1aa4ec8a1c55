// An example gateway: callers arrive, usher says who takes them, the gateway bridges and hangs up.
//
//     node gateway.js --addr 127.0.0.1:50051 --queue sales --contacts 5
//
// Commands go out as unary calls, events come in by WatchContacts. When usher is away callers hear music here, at the
// gateway's own default route, and those who still wait are told to usher when it is back: with the same contact_id and
// arrival_time, so that nobody is created twice and everybody has his old place.

import { parseArgs } from 'node:util';
import { api, call, connect, Follow, status } from './resilient.js';

// Stages of a call, as the gateway sees it.
const WAITING = 'waiting';
const BRIDGED = 'bridged';
const OVER = 'over';

class Gateway {
  constructor(address, name, talk) {
    Object.assign(this, { name, talk, calls: new Map() });
    this.usher = connect(api.ContactService, address);
    this.follow = new Follow(this.usher, 'WatchContacts', { gateway_id: name }, () => this.music());
    this.ended = new Promise((resolve, reject) => Object.assign(this, { end: resolve, fail: reject }));
  }

  // Takes `count` callers through; returns how each ended.
  async run(channel, queue, count) {
    this.does(this.listen());
    for (let number = 1; number <= count; number++) {
      const contact_id = `${this.name}-${number}`;
      // Said by the gateway, not left to usher: a caller who is told to it once more keeps his place in line.
      const arrival_time = { seconds: Math.floor(Date.now() / 1000), nanos: (Date.now() % 1000) * 1_000_000 };
      const contact = { contact_id, gateway_id: this.name, channel, queue, arrival_time };
      this.calls.set(contact_id, { contact, stage: WAITING, outcome: null, onDefaultRoute: false });
    }
    for (const line of this.calls.values()) this.does(this.create(line));
    await this.ended;
    this.follow.stop();
    this.usher.close();
    return Object.fromEntries([...this.calls].map(([contact_id, line]) => [contact_id, line.outcome]));
  }

  // Lets something run by itself; what goes wrong in it ends the gateway.
  does(promise) {
    promise.catch(this.fail);
  }

  // Sends a command about a caller. While usher is away it is sent again and again, always the same: its request_id
  // makes sure that it is carried out once.
  send(method, line, fields, what) {
    const request_id = `${line.contact.contact_id}:${what}`;
    return call(this.usher, method, { ...fields, request_id }, { away: () => this.music() });
  }

  // ---- what the gateway does

  // Tells usher about a caller. Said twice, the answer is the contact as it stands.
  async create(line) {
    const answer = await this.send('CreateContact', line, { contact: line.contact }, 'create');
    this.see(answer.contact);
  }

  // Customer and agent are put through, then usher is told.
  async bridge(line, leg_number) {
    const { contact_id } = line.contact;
    line.stage = BRIDGED;
    line.onDefaultRoute = false;
    // The media would be connected here. Could the agent not be reached, RequeueContact with AGENT_UNREACHABLE would put
    // the caller back to his place.
    try {
      await this.send('ConnectContact', line, { contact_id }, `connect:${leg_number}`);
    } catch {
      // The agent was lost in the same instant, or usher was started anew without its memory. The caller waits again;
      // telling usher about him once more shows where he stands.
      line.stage = WAITING;
      return this.create(line);
    }
    console.log(`bridged ${contact_id}`);
    setTimeout(() => this.does(this.hangUp(line)), this.talk);
  }

  // They have said good-bye.
  async hangUp(line) {
    if (line.stage !== BRIDGED) return;
    const { contact_id } = line.contact;
    try {
      const answer = await this.send('CompleteContact', line, { contact_id }, 'complete');
      this.over(line, answer.contact.outcome);
    } catch (error) {
      if (error.code !== status.NOT_FOUND) throw error;
      // Usher was started anew without its memory while they talked. The call is over all the same.
      this.over(line, 'OUTCOME_COMPLETED');
    }
  }

  // The customer's part is over.
  over(line, outcome) {
    if (line.stage === OVER) return;
    line.stage = OVER;
    line.outcome = outcome.replace('OUTCOME_', '');
    console.log(`over ${line.contact.contact_id} ${line.outcome}`);
    if ([...this.calls.values()].every((line) => line.stage === OVER)) this.end();
  }

  // The default route: what callers get while usher is away.
  music() {
    for (const line of this.calls.values()) {
      if (line.stage !== WAITING || line.onDefaultRoute) continue;
      line.onDefaultRoute = true;
      console.log(`usher is away: ${line.contact.contact_id} hears music`);
    }
  }

  // ---- what the gateway hears

  async listen() {
    for await (const message of this.follow) {
      if (message.item === 'event') this.event(message.event);
      else if (message.item === 'snapshot') message.snapshot.contacts.forEach((contact) => this.see(contact));
      else if (message.item === 'snapshot_complete') {
        // The stream began anew. Whoever still waits here is told to usher, which may have forgotten him.
        for (const line of this.calls.values()) if (line.stage === WAITING) this.does(this.create(line));
      }
    }
  }

  // Catches up with a contact as it stands.
  see(contact) {
    const line = this.calls.get(contact.contact_id);
    if (!line || line.stage === OVER) return;
    if (contact.outcome !== 'OUTCOME_UNSPECIFIED') this.over(line, contact.outcome);
    else if (contact.state === 'CONTACT_STATE_ASSIGNED' && line.stage === WAITING) {
      this.does(this.bridge(line, contact.legs.at(-1).leg_number));
    }
  }

  event(event) {
    const payload = event[event.payload];
    const line = this.calls.get(payload.contact_id);
    if (!line || line.stage === OVER) return;
    if (event.payload === 'offer_accepted' && payload.after === 'CONTACT_STATE_ASSIGNED' && line.stage === WAITING) {
      this.does(this.bridge(line, payload.leg_number));
    } else if (event.payload === 'contact_queued' && payload.cause !== 'QUEUE_CAUSE_ARRIVED') {
      line.stage = WAITING;
    } else if (event.payload === 'contact_ended') {
      this.over(line, payload.outcome);
    }
  }
}

const { values: options } = parseArgs({
  options: {
    addr: { type: 'string', default: '127.0.0.1:50051' },
    gateway: { type: 'string', default: 'node-gateway' },
    channel: { type: 'string', default: 'voice' },
    queue: { type: 'string', default: 'sales' },
    contacts: { type: 'string', default: '3' },
    talk: { type: 'string', default: '2' },
  },
});
const gateway = new Gateway(options.addr, options.gateway, Number(options.talk) * 1000);
console.log(JSON.stringify(await gateway.run(options.channel, options.queue, Number(options.contacts))));
