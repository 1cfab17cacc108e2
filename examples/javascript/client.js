// A client of the control protocol, written from docs/protocol.md alone: commands that are sent again under their id,
// and events without gaps over restarts of the service.
"use strict";

const crypto = require("node:crypto");
const { setTimeout: sleep } = require("node:timers/promises");
const { encode, decode } = require("@msgpack/msgpack");
const zmq = require("zeromq");

const MAGIC = Buffer.from("VIGIE1");
const RETRY_MS = 1000;
const GRACE_MS = 1000;
const MAX_WAITING = 10000;
// Times in nanoseconds need all 64 bits.
const NUMBERS = { useBigInt64: true };

/** A refusal: `code` and `name` as docs/errors.md says, `problems` with every mistake of an apply. */
class Refused extends Error {
  constructor(header, body) {
    super(header.text);
    this.code = Number(header.code);
    this.name = body.name ?? "Refused";
    this.problems = body.problems ?? [];
  }
}

class Client {
  /** `keys`: what `vigie keys add` wrote, for tcp:// endpoints. */
  constructor(endpoint, keys = null) {
    const curve = keys && {
      curvePublicKey: keys.public_key,
      curveSecretKey: keys.secret_key,
      curveServerKey: keys.server_key,
    };
    this.socket = new zmq.Dealer({ immediate: true, linger: 0, sendTimeout: 0, reconnectInterval: 50, ...curve });
    this.socket.connect(endpoint);
    this.waiting = new Map(); // id in hex -> resolve
    this.events = [];
    this.wake = () => {};
    this.sending = Promise.resolve();
    this.reading = this.read();
  }

  async read() {
    try {
      for await (const frames of this.socket) this.take(frames);
    } catch (error) {
      if (!this.socket.closed) throw error;
    }
  }

  take(frames) {
    if (frames.length !== 3 || !frames[0].equals(MAGIC)) return;
    const header = decode(frames[1], NUMBERS);
    const body = decode(frames[2], NUMBERS);
    if (header.v !== 1) return;
    if ("ok" in header) {
      this.waiting.get(Buffer.from(header.id).toString("hex"))?.({ header, body });
    } else if ("seq" in header && this.events.length < MAX_WAITING) {
      this.events.push({ ...header, seq: Number(header.seq), body });
      this.wake();
    }
  }

  /** Sends when the socket is free; false where there is no connection. */
  send(frames) {
    const sent = this.sending.then(() => this.socket.send(frames)).then(
      () => true,
      () => false,
    );
    this.sending = sent;
    return sent;
  }

  /** One command: `{rev, body}` of its reply. Throws Refused, or an Error when nobody answers in time. */
  async call(op, body = {}, timeoutMs = 30000) {
    const id = crypto.randomBytes(16);
    const header = { v: 1, id, op, ts_ns: BigInt(Date.now()) * 1000000n, deadline_ms: timeoutMs };
    const frames = [MAGIC, encode(header, NUMBERS), encode(body, NUMBERS)];
    const key = id.toString("hex");
    const answer = new Promise((resolve) => this.waiting.set(key, resolve));
    const until = Date.now() + timeoutMs;
    let pause = RETRY_MS;
    let sent = false;
    try {
      while (Date.now() < until) {
        // The same bytes each time: the service carries a change out once.
        const now = await this.send(frames);
        sent ||= now;
        const reply = await Promise.race([answer, sleep(Math.min(now ? pause : 50, until - Date.now()))]);
        if (reply) return this.accepted(reply);
        if (now) pause *= 2;
      }
      const late = sent && (await Promise.race([answer, sleep(GRACE_MS)]));
      if (late) return this.accepted(late);
    } finally {
      this.waiting.delete(key);
    }
    throw new Error(`no answer to ${op} within ${timeoutMs} ms`);
  }

  accepted({ header, body }) {
    if (!header.ok) throw new Refused(header, body);
    return { rev: Number(header.rev), body };
  }

  /** Applies a YAML text. */
  async apply(text, options = {}) {
    return (await this.call("objects.apply", { yaml: [{ text, ...options.source }], ...options.fields })).body;
  }

  /** A route to a camera: `body.url` is for a player, within `body.open_by_ns`. Throws Refused, with why and whom to ask. */
  openRoute(camera, wanted = {}) {
    return this.call("route.open", { camera, ...wanted });
  }

  /** All that this client may know of: `{items, rev, epoch, seq}`, `seq` being that of the first page. */
  async state() {
    const found = { items: [] };
    let after = "";
    do {
      const { rev, body } = await this.call("state.get", { after });
      if (after === "") Object.assign(found, { rev, epoch: body.epoch, seq: Number(body.seq) });
      found.items.push(...body.items);
      after = body.next;
    } while (after !== "");
    return found;
  }

  /** First `{state}`, then `{event}` after `{event}`; `{state}` again whenever events may be missing. Never ends. */
  async *watch(kinds = []) {
    for (;;) {
      let subscribed, state;
      try {
        this.events = [];
        subscribed = (await this.call("events.subscribe", { kinds }, 5000)).body;
        state = await this.state();
      } catch (error) {
        if (error instanceof Refused || this.socket.closed) throw error;
        continue; // the service is away
      }
      yield { state };
      let last = Math.max(Number(subscribed.seq), state.seq);
      const silence = 3 * Number(subscribed.heartbeat_ms);
      for (;;) {
        const event = await this.next(silence);
        if (event === null || event.epoch !== subscribed.epoch) break;
        if (event.kind === "heartbeat") {
          if (event.seq > last) break;
          continue;
        }
        if (event.seq <= last) continue;
        if (event.seq !== last + 1) break;
        last = event.seq;
        yield { event };
      }
    }
  }

  /** The next event, or null when none came for so long. */
  async next(withinMs) {
    if (this.events.length === 0) {
      const came = new Promise((resolve) => (this.wake = resolve));
      await Promise.race([came, sleep(withinMs, undefined, { ref: false })]);
    }
    return this.events.shift() ?? null;
  }

  close() {
    this.socket.close();
  }
}

module.exports = { Client, Refused };
