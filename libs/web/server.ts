import fastify, { type FastifyError, type FastifyInstance, type FastifyReply } from 'fastify';
import { FloError } from '#domain/errors';
import type { IdMint } from '#domain/mint-id';
import type { Logger } from '#domain/ports';
import { encodePlainError } from './plain-error.ts';
import { ReceiveBound } from './receive-bound.ts';

const RECEIVE_TIMEOUT_MS = 60_000;
const RECEIVE_SWEEP_INTERVAL_MS = 5_000;
/** Above the idle time-outs of common load balancers, so that it is never this side that closes first. */
const KEEP_ALIVE_MS = 75_000;
const BODY_LIMIT_BYTES = 1024 * 1024;

/** What the web server itself refuses, as an error of the catalogue. */
export const readServerError = (
  error: FastifyError | FloError | Error,
  bodyLimitBytes = BODY_LIMIT_BYTES,
): FloError => {
  if (error instanceof FloError) return error;
  const status = 'statusCode' in error ? error.statusCode : undefined;
  if (status === 413) {
    return new FloError('too_large', `The body is over ${bodyLimitBytes} bytes: send a smaller one.`);
  }
  if (status === 415) {
    return new FloError('invalid_request', 'The body must be JSON: send "content-type: application/json".');
  }
  if (status !== undefined && status < 500) {
    return new FloError('invalid_request', 'The body is not valid JSON: check commas, quotes and braces.', {
      cause: error,
    });
  }
  return new FloError('internal', 'flo2 failed.', { cause: error });
};

/**
 * A web server with our bounds. It logs no request: paths and headers may hold what is nobody's business.
 * Errors are `{error: {code, message, param?, request_id}}` unless a scope says otherwise.
 */
export const createWebServer = ({ logger, mint }: { logger: Logger; mint: IdMint }): FastifyInstance => {
  const app = fastify({
    logger: false,
    genReqId: () => mint.mint('req'),
    bodyLimit: BODY_LIMIT_BYTES,
    // Bodies have a bound of their own below; the headers' 60 s are the server's.
    requestTimeout: 0,
    keepAliveTimeout: KEEP_ALIVE_MS,
    routerOptions: { maxParamLength: 512 },
    frameworkErrors: (_error, request, reply) => {
      const message = 'The path cannot be read: escape it as a URL asks for, and keep its parts short.';
      const { status, body } = encodePlainError(new FloError('invalid_request', message), request.id);
      // Its type is generic over schemas that there are none of here.
      void (reply as unknown as FastifyReply).code(status).send(body);
    },
  });
  new ReceiveBound({ timeoutMs: RECEIVE_TIMEOUT_MS, nowMs: () => performance.now() }).register(
    app,
    RECEIVE_SWEEP_INTERVAL_MS,
  );
  const parseJson = app.getDefaultJsonParser('error', 'error');
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('application/json', { parseAs: 'string' }, (request, body, done) => {
    // Many clients say JSON on every call, also on those without a body.
    if (body.length === 0) done(null);
    else void parseJson(request, String(body), done);
  });
  app.setErrorHandler((thrown: FastifyError, request, reply) => {
    const error = readServerError(thrown);
    if (error.blame === 'gateway') {
      logger.error({ requestId: request.id, err: thrown }, 'a request failed inside flo2');
    }
    const { status, headers, body } = encodePlainError(error, request.id);
    return reply.code(status).headers(headers).send(body);
  });
  app.setNotFoundHandler((request, reply) => {
    const message = 'There is nothing at this path with this method.';
    const { status, body } = encodePlainError(new FloError('route_not_found', message), request.id);
    return reply.code(status).send(body);
  });
  return app;
};
