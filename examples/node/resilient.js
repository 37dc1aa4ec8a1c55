// What every client of usher needs, whatever it does.
//
//   * A deadline on every call: a server that does not answer must not hang a telephone line.
//   * A retry that cannot do anything twice: the same request goes out again, with the same request_id.
//   * A back-off that grows and is random, so that a thousand clients do not come back in the same instant.
//   * A stream that goes on where it broke off: the last resume_token is sent along.

import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import grpc from '@grpc/grpc-js';
import loader from '@grpc/proto-loader';

// The API, read from the .proto files when the program starts.
const protos = fileURLToPath(new URL('../../proto', import.meta.url));
const definition = loader.loadSync(['usher/v1/contact_service.proto', 'usher/v1/agent_service.proto'], {
  includeDirs: [protos],
  keepCase: true, // field names as the .proto has them
  longs: String, // 64-bit numbers as texts: they do not fit a number
  enums: String, // enums by name
  defaults: true,
  oneofs: true, // message.item says which of a oneof is set
});
export const api = grpc.loadPackageDefinition(definition).usher.v1;

// Milliseconds a call may take.
export const DEADLINE = 2_000;

// Codes after which the same request may be sent again. UNAVAILABLE: nobody there, or a server that is draining.
// DEADLINE_EXCEEDED: it may have been carried out or not; with a request_id that makes no difference.
// INTERNAL is what grpc-js makes of a connection that broke in the middle of an answer.
const RETRY = new Set([grpc.status.UNAVAILABLE, grpc.status.DEADLINE_EXCEEDED, grpc.status.INTERNAL]);

export const status = grpc.status;
export const mayRetry = (error) => RETRY.has(error.code);

// A client of one service. gRPC connects when it is first used, and again whenever it has to; a connection that is
// silently dead is noticed by pings.
export function connect(Service, address) {
  return new Service(address, grpc.credentials.createInsecure(), {
    'grpc.keepalive_time_ms': 20_000,
    'grpc.keepalive_timeout_ms': 5_000,
    'grpc.initial_reconnect_backoff_ms': 100,
    'grpc.max_reconnect_backoff_ms': 3_000,
  });
}

// Milliseconds to wait before the next attempt: anywhere from none to 100, 200, 400 and so on, at most 3,000.
export const pause = (attempt) => Math.random() * Math.min(3_000, 100 * 2 ** Math.min(attempt, 10));

// Calls once, with a deadline.
export function once(client, method, request) {
  return new Promise((resolve, reject) => {
    client[method](request, { deadline: Date.now() + DEADLINE }, (error, answer) => {
      if (error) reject(error);
      else resolve(answer);
    });
  });
}

// Calls until an answer comes, for at most `patience` milliseconds. Only for requests that may be sent twice: those with
// a request_id, and reads. `away` is called whenever nobody could be reached.
export async function call(client, method, request, { patience = Infinity, away = () => {} } = {}) {
  const until = Date.now() + patience;
  for (let attempt = 0; ; attempt++) {
    try {
      return await once(client, method, request);
    } catch (error) {
      if (!mayRetry(error) || Date.now() > until) throw error;
      away();
      await sleep(pause(attempt));
    }
  }
}

// The messages of a server's stream, over as many connections as it takes, until `stop`.
//
// After a break the server goes on behind the last message that was read. When it no longer knows that place
// (OUT_OF_RANGE: too long ago, or it was started anew) the stream begins again with a snapshot, as it did at first.
export class Follow {
  // `away` is called whenever nobody could be reached.
  constructor(client, method, request, away = () => {}) {
    Object.assign(this, { client, method, request, away, stopped: false, stream: null });
  }

  stop() {
    this.stopped = true;
    this.stream?.cancel();
  }

  async *[Symbol.asyncIterator]() {
    for (let attempt = 0; !this.stopped; attempt++) {
      try {
        // A stream has no deadline; keepalive looks after it.
        this.stream = this.client[this.method](this.request);
        for await (const message of this.stream) {
          attempt = 0;
          if (message.resume_token) this.request.resume_token = message.resume_token;
          yield message;
        }
      } catch (error) {
        if (this.stopped) return;
        if (error.code === status.OUT_OF_RANGE) this.request.resume_token = '';
        // RESOURCE_EXHAUSTED: we read too slowly, and go on from the token. ABORTED: another client took our place.
        // NOT_FOUND and the like: trying again would not help.
        else if (!mayRetry(error) && error.code !== status.RESOURCE_EXHAUSTED) throw error;
      }
      if (attempt > 0) this.away();
      if (!this.stopped) await sleep(pause(attempt));
    }
  }
}
