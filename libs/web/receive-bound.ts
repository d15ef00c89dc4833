import type { IncomingMessage } from 'node:http';
import type { FastifyInstance } from 'fastify';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** A long upload: it may take as long as it moves. */
    isUpload?: boolean;
  }
}

type Receiving = { sinceMs: number; isUpload: boolean; bytesRead: number };

/**
 * How long clients may take to send what they ask: a slower one would hold a connection for nothing. The server's
 * own bound knows one time for all requests, and would cut off a large file on a slow line; here an upload is
 * only cut off when nothing of it has come for so long.
 */
export class ReceiveBound {
  readonly #timeoutMs: number;
  readonly #nowMs: () => number;
  readonly #receiving = new Map<IncomingMessage, Receiving>();

  constructor({ timeoutMs, nowMs }: { timeoutMs: number; nowMs: () => number }) {
    this.#timeoutMs = timeoutMs;
    this.#nowMs = nowMs;
  }

  register(app: FastifyInstance, sweepIntervalMs: number): void {
    app.addHook('onRequest', (request, _reply, done) => {
      const isUpload = request.routeOptions.config.isUpload === true;
      const { bytesRead } = request.raw.socket;
      this.#receiving.set(request.raw, { sinceMs: this.#nowMs(), isUpload, bytesRead });
      done();
    });
    // By then a body has been read, except for one that the route itself reads.
    app.addHook('preHandler', (request, _reply, done) => {
      if (request.routeOptions.config.isUpload !== true) this.#receiving.delete(request.raw);
      done();
    });
    app.addHook('onResponse', (request, _reply, done) => {
      this.#receiving.delete(request.raw);
      done();
    });
    app.addHook('onRequestAbort', (request, done) => {
      this.#receiving.delete(request.raw);
      done();
    });
    const sweeping = setInterval(() => this.sweep(), sweepIntervalMs);
    app.addHook('onClose', (_instance, done) => {
      clearInterval(sweeping);
      done();
    });
  }

  /** Closes the connections of those that have taken too long. */
  sweep(): void {
    const nowMs = this.#nowMs();
    for (const [request, receiving] of this.#receiving) {
      const { socket } = request;
      if (request.complete || socket.destroyed) this.#receiving.delete(request);
      else if (receiving.isUpload && socket.bytesRead > receiving.bytesRead) {
        receiving.bytesRead = socket.bytesRead;
        receiving.sinceMs = nowMs;
      } else if (nowMs - receiving.sinceMs >= this.#timeoutMs) {
        this.#receiving.delete(request);
        socket.destroy();
      }
    }
  }
}
