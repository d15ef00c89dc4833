import { spawn } from 'node:child_process';
import { constants } from 'node:os';

/** @param {number | null} code @param {NodeJS.Signals | null} signal */
const encodeExitCode = (code, signal) => code ?? 128 + (signal === null ? 0 : constants.signals[signal]);

/**
 * Waits for a child and passes on, once each, the signals that end this process. Ctrl-C is not passed on:
 * the terminal gives it to the whole group, so the child has it already and only needs the time to drain.
 *
 * @param {import('node:child_process').ChildProcess} child
 * @returns {Promise<number>} the exit code, as a shell gives it
 */
const waitPassingSignals = (child) =>
  new Promise((resolve, reject) => {
    const isAtTerminal = process.stdin.isTTY || process.stdout.isTTY || process.stderr.isTTY;
    const sent = new Set();
    /** @param {NodeJS.Signals} signal */
    const passOn = (signal) => {
      if (sent.has(signal) || (signal === 'SIGINT' && isAtTerminal)) return;
      sent.add(signal);
      child.kill(signal);
    };
    const signals = /** @type {NodeJS.Signals[]} */ (['SIGINT', 'SIGTERM', 'SIGHUP']);
    for (const signal of signals) process.on(signal, passOn);
    const settle = () => {
      for (const signal of signals) process.off(signal, passOn);
    };
    child.once('error', (error) => {
      settle();
      reject(error);
    });
    child.once('close', (code, signal) => {
      settle();
      resolve(encodeExitCode(code, signal));
    });
  });

/**
 * Runs a program on this terminal.
 *
 * @param {string} program
 * @param {string[]} args
 * @param {{ cwd: string, env: NodeJS.ProcessEnv }} options
 */
export const runAttached = (program, args, options) =>
  waitPassingSignals(spawn(program, args, { ...options, stdio: 'inherit' }));

/**
 * Runs a program and keeps what it prints.
 *
 * @param {string} program
 * @param {string[]} args
 * @param {{ cwd: string, env: NodeJS.ProcessEnv }} options
 * @returns {Promise<{ exitCode: number, output: string }>}
 */
export const runQuietly = async (program, args, options) => {
  const child = spawn(program, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text) => (output += text));
  }
  return { exitCode: await waitPassingSignals(child), output };
};
