import { randomBytes } from 'node:crypto';
import { ConfigurationError, type ConfigurationProblem } from '@hq-oauth/core';

export type Environment = Readonly<Record<string, string | undefined>>;

/** Reads what an example is told by its environment, and gathers what is wrong until all of it is read. */
export class Settings {
  readonly #env: Environment;
  readonly #problems: ConfigurationProblem[] = [];
  #local = true;

  constructor(env: Environment) {
    this.#env = env;
  }

  text(name: string, fallback: string): string {
    return this.#env[name] || fallback;
  }

  optional(name: string): string | undefined {
    return this.#env[name] || undefined;
  }

  required(option: string, name: string): string {
    const value = this.#env[name];
    if (!value) this.report(option, name, 'is missing');
    return value ?? '';
  }

  port(fallback: number): number {
    const port = Number(this.#env.PORT || fallback);
    if (!Number.isInteger(port) || port < 1 || port > 65_535) {
      this.report('port', 'PORT', 'must be a port in 1 … 65535');
    }
    return port;
  }

  /** Where browsers reach the program: an origin, without a slash at the end. */
  publicUrl(name: string, fallback: string): string {
    const url = this.text(name, fallback).replace(/\/$/, '');
    const parsed = URL.canParse(url) ? new URL(url) : null;
    if (parsed === null || parsed.origin !== url) {
      this.report('publicUrl', name, 'must be an origin, https://host');
    }
    const host = parsed?.hostname ?? '';
    const local = ['127.0.0.1', 'localhost', '[::1]'].includes(host) || host.endsWith('.localhost');
    this.#local &&= local;
    if (!local && parsed?.protocol !== 'https:') {
      this.report('publicUrl', name, 'must be https, except on loopback');
    }
    return url;
  }

  /** Signs the session cookie. Ask after the addresses: on loopback it may be left out. */
  sessionSecret(): string {
    const secret = this.#env.SESSION_SECRET || undefined;
    if (!this.#local && (secret ?? '').length < 32) {
      this.report(
        'sessionSecret',
        'SESSION_SECRET',
        'needs 32 characters or more: it signs the session cookie',
      );
    }
    // Made anew at each start where none is given: then a restart signs people out of this program, not of HighQ.
    return secret ?? randomBytes(32).toString('hex');
  }

  /** Of the two people of the firm. Ask after the addresses: on loopback it may be left out. */
  firmPassword(): string {
    const password = this.#env.FIRM_PASSWORD || undefined;
    if (!this.#local && (password ?? '').length < 12) {
      const problem = 'needs 12 characters or more: the one in the README is for loopback only';
      this.report('firmPassword', 'FIRM_PASSWORD', problem);
    }
    return password ?? 'password';
  }

  report(option: string, env: string, problem: string): void {
    this.#problems.push({ option, env, problem });
  }

  /** @throws ConfigurationError with every problem */
  complete<T>(config: T): T {
    if (this.#problems.length > 0) throw new ConfigurationError(this.#problems);
    return config;
  }
}
