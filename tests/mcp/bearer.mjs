// Signs the conformance suite in: every request it makes carries the token in TOMO_TOKEN. Loaded with `node --import`.
import http from 'node:http';
import { syncBuiltinESMExports } from 'node:module';
import { Agent, setGlobalDispatcher } from 'undici';

const bearer = `Bearer ${process.env.TOMO_TOKEN}`;

// `fetch` and undici's own requests go through the global dispatcher. Headers come as a flat list, as pairs or as an object.
setGlobalDispatcher(
  new Agent().compose((dispatch) => (options, handler) => {
    const given = options.headers ?? {};
    const headers = Array.isArray(given)
      ? [...given, 'authorization', bearer]
      : { ...(Symbol.iterator in given ? Object.fromEntries(given) : given), authorization: bearer };
    return dispatch({ ...options, headers }, handler);
  }),
);

// What is sent with node's own client does not.
const request = http.request;
http.request = (...rest) => {
  const outgoing = request(...rest);
  if (!outgoing.headersSent && !outgoing.hasHeader('authorization')) outgoing.setHeader('authorization', bearer);
  return outgoing;
};
syncBuiltinESMExports();
