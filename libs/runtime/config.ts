/** Reads a process's configuration from its environment: declared settings, sentences for what is wrong. */
import { z } from 'zod';

export type Setting<Value> = {
  variable: string;
  description: string;
  /** Completes "expected …". */
  expected: string;
  /** As it would be written in the environment; null where there is none. */
  defaultText: string | null;
  /** Never repeated in a message. */
  isSecret: boolean;
  schema: z.ZodType<Value, string>;
  /** The value of a variable that is not set; null where it has to be. */
  whenUnset: (() => Value) | null;
};

type Declaration<Value> = {
  description: string;
  expected: string;
  schema: z.ZodType<Value, string>;
  isSecret?: boolean;
};

/** A setting with a default, itself written as in the environment. */
export const settingOf = <Value>(
  variable: string,
  declaration: Declaration<Value> & { default: string },
): Setting<Value> => {
  const { default: defaultText, isSecret = false, ...rest } = declaration;
  const whenUnset = (): Value => rest.schema.parse(defaultText);
  return { variable, ...rest, isSecret, defaultText, whenUnset };
};

/** A setting that may be left out and is null then. */
export const optionalSettingOf = <Value>(
  variable: string,
  declaration: Declaration<Value>,
): Setting<Value | null> => {
  const { isSecret = false, ...rest } = declaration;
  return { variable, ...rest, isSecret, defaultText: null, whenUnset: () => null };
};

/** The same setting for a process that cannot do without. */
export const required = <Value>(setting: Setting<Value | null>): Setting<NonNullable<Value>> => ({
  ...setting,
  schema: z.string().transform((text, context): NonNullable<Value> => {
    const parsed = setting.schema.safeParse(text);
    if (parsed.success && parsed.data !== null && parsed.data !== undefined) return parsed.data;
    context.addIssue('not readable');
    return z.NEVER;
  }),
  whenUnset: null,
});

export type SettingsOf<Configuration> = { [Key in keyof Configuration]: Setting<Configuration[Key]> };
export type ConfigurationOf<Settings extends Record<string, Setting<unknown>>> = {
  [Key in keyof Settings]: Settings[Key] extends Setting<infer Value> ? Value : never;
};

/** All that is wrong with a process's environment, a sentence for each fault; none repeats a secret. */
export class ConfigurationError extends Error {
  override readonly name = 'ConfigurationError';
  readonly faults: readonly string[];
  constructor(faults: readonly string[]) {
    super(faults.join('\n'));
    this.faults = faults;
  }
}

const SHOWN_MAX = 60;

const describeValue = (setting: Setting<unknown>, text: string): string => {
  if (setting.isSecret) return `has a wrong value (${text.length} characters, not shown)`;
  return text.length > SHOWN_MAX
    ? `is ${JSON.stringify(text.slice(0, SHOWN_MAX))}… (${text.length} characters)`
    : `is ${JSON.stringify(text)}`;
};

const faultOf = (setting: Setting<unknown>, text: string | undefined): string =>
  text === undefined
    ? `${setting.variable} is not set; expected ${setting.expected}.`
    : `${setting.variable} ${describeValue(setting, text)}; expected ${setting.expected}.`;

/** Compose and shells pass a variable on as empty where it is not set: empty counts as unset. */
export const readText = (env: NodeJS.ProcessEnv, variable: string): string | undefined => {
  const text = env[variable]?.trim();
  return text === '' ? undefined : text;
};

/** Reads every setting or throws ConfigurationError with every fault. */
export const readConfiguration = <Configuration extends object>(
  settings: SettingsOf<Configuration>,
  env: NodeJS.ProcessEnv,
): Configuration => {
  const faults: string[] = [];
  const values: [string, unknown][] = [];
  for (const [key, setting] of Object.entries<Setting<unknown>>(settings)) {
    const text = readText(env, setting.variable);
    if (text === undefined) {
      if (setting.whenUnset === null) faults.push(faultOf(setting, text));
      else values.push([key, setting.whenUnset()]);
      continue;
    }
    const parsed = setting.schema.safeParse(text);
    if (parsed.success) values.push([key, parsed.data]);
    else faults.push(faultOf(setting, text));
  }
  if (faults.length > 0) throw new ConfigurationError(faults);
  // Each key of the settings has got a value that its own schema has made.
  return Object.fromEntries(values) as Configuration;
};
