/** Reads the sources of this repository as a graph of resolved imports. */
import { readdir, readFile } from 'node:fs/promises';
import { dirname, join, posix, relative, sep } from 'node:path';

export type SourceFile = {
  /** From the root of the repository, with `/`. */
  path: string;
  text: string;
};

export type Import = {
  specifier: string;
  /** The file it leads to, null for a package or a builtin of Node. */
  target: string | null;
  /** Gone before the program runs. */
  isTypeOnly: boolean;
};

export type SourceGraph = {
  files: ReadonlyMap<string, SourceFile>;
  imports: ReadonlyMap<string, readonly Import[]>;
};

/** `#room/*` → the pattern it stands for, as `imports` of package.json has it. */
export type Aliases = Readonly<Record<string, string>>;

const DIRECTORIES = ['libs', 'services', 'infra', 'test'];
const SOURCE = /\.(?:ts|mjs)$/;

const IMPORTS = [
  /^import\s+(?:type\s+)?[\w$*{},\s]+?\s+from\s+'([^'\n]+)'/gm,
  /^import\s+'([^'\n]+)'/gm,
  /^export\s+(?:type\s+)?(?:\*(?:\s+as\s+[\w$]+)?|\{[^}]*\})\s+from\s+'([^'\n]+)'/gm,
  /\bimport\(\s*'([^'\n]+)'\s*\)/g,
];
const STATEMENTS = /^import\s/gm;

/**
 * What a source imports: statements and re-exports, of values and types, and dynamic imports of a literal.
 * It counts on the formatter, which puts a statement at the start of a line and prefers single quotes.
 * Throws where a statement is one it cannot read, so that none goes by unseen.
 */
export const findSpecifiers = ({ path, text }: SourceFile): Pick<Import, 'specifier' | 'isTypeOnly'>[] => {
  const [statements, bare, ...others] = IMPORTS.map((pattern) => [...text.matchAll(pattern)]);
  const read = (statements?.length ?? 0) + (bare?.length ?? 0);
  const present = [...text.matchAll(STATEMENTS)].length;
  if (read !== present)
    throw new Error(`${path}: ${present} import statements, of which ${read} can be read`);

  const found = new Map<string, boolean>();
  for (const [whole, specifier = ''] of [statements, bare, ...others].flatMap((matches) => matches ?? [])) {
    const isTypeOnly = /^(?:import|export)\s+type\s/.test(whole);
    found.set(specifier, isTypeOnly && (found.get(specifier) ?? true));
  }
  return [...found].map(([specifier, isTypeOnly]) => ({ specifier, isTypeOnly }));
};

/** Null for a package or a builtin; otherwise a path, whether there is such a file or not. */
export const resolveSpecifier = (from: string, specifier: string, aliases: Aliases): string | null => {
  if (specifier.startsWith('.')) return posix.normalize(posix.join(posix.dirname(from), specifier));
  if (!specifier.startsWith('#')) return null;
  for (const [alias, pattern] of Object.entries(aliases)) {
    const prefix = alias.slice(0, -1);
    if (!specifier.startsWith(prefix)) continue;
    return posix.normalize(pattern.replace('*', specifier.slice(prefix.length)));
  }
  return specifier;
};

export const buildGraph = (files: readonly SourceFile[], aliases: Aliases): SourceGraph => ({
  files: new Map(files.map((file) => [file.path, file])),
  imports: new Map(
    files.map((file) => [
      file.path,
      findSpecifiers(file).map((found) => ({
        ...found,
        target: resolveSpecifier(file.path, found.specifier, aliases),
      })),
    ]),
  ),
});

/** Every source file under the fixed rooms of the top level. */
export const readSources = async (root: string): Promise<SourceFile[]> => {
  const files: SourceFile[] = [];
  for (const directory of DIRECTORIES) {
    const entries = await readdir(join(root, directory), { recursive: true, withFileTypes: true });
    for (const entry of entries) {
      const path = join(entry.parentPath, entry.name);
      if (!entry.isFile() || !SOURCE.test(entry.name) || path.includes(`${sep}node_modules${sep}`)) continue;
      files.push({
        path: join(relative(root, dirname(path)), entry.name).replaceAll(sep, '/'),
        text: await readFile(path, 'utf8'),
      });
    }
  }
  return files;
};
