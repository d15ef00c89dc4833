import type { Behaviour } from './behaviour.ts';

const HTML_PAGE =
  '<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n<center><h1>502 Bad Gateway</h1></center>\r\n</body>\r\n</html>\r\n';

/** What is sent for a body. */
export const disguise = (
  json: string,
  as: NonNullable<Behaviour['body']>,
): { type: string; body: string } => {
  switch (as) {
    case 'json':
      return { type: 'application/json', body: json };
    case 'text':
      return { type: 'text/plain', body: json };
    case 'html':
      return { type: 'text/html; charset=UTF-8', body: HTML_PAGE };
    case 'empty':
      return { type: 'application/json', body: '' };
    case 'half_json':
      return { type: 'application/json', body: json.slice(0, Math.floor(json.length / 2)) };
  }
};
