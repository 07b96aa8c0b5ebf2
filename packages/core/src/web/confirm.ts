import { SignInError } from '../errors.ts';
import type { ConnectionStatus } from '../status.ts';
import { acceptable, accountText, belongsTo } from './acceptance.ts';
import { boundDigest, type Found, sameDigest, type Transaction } from './login-transaction.ts';
import { pageResponse } from './pages.ts';
import { hostOf, publicOriginOf } from './places.ts';
import { formOf, refuseCrossSite } from './request.ts';
import { seeOther, type Visit } from './visit.ts';

/**
 * `GET confirm`: shows the account that came back. A code that somebody else slipped into this browser would connect
 * somebody else's account, and only the person can tell (F82).
 */
export async function confirmPage(visit: Visit): Promise<Response> {
  await visit.visitor('connect');
  const secret = secretOf(visit);
  const { found, own } = await questionOf(visit, await visit.transactions.peek('confirm', secret), secret);
  if (found.kind === 'handled') return seeOther(visit.returnTo, [visit.cookies.clear('confirm')]);
  const status = await waiting(visit, acceptable(found, own, visit), secret);
  const { pending, userEmail, state } = status;
  const replaced = state === 'active' || state === 'expiring' || state === 'expired' ? userEmail : undefined;
  return pageResponse({
    title: 'Is this your HighQ account?',
    over: hostOf(visit.inside.instanceUrl),
    account: pending.userEmail ?? 'HighQ did not say which account',
    paragraphs: [
      pending.userEmail === null
        ? 'You signed in at HighQ, but it did not name the account. Go on only if you signed in yourself, just now.'
        : `You signed in as ${pending.userEmail}. Go on only if this is your own account.`,
      ...(replaced !== undefined && replaced !== pending.userEmail
        ? [`It takes the place of ${replaced}, which is connected now.`]
        : []),
    ],
    actions: [
      {
        kind: 'post',
        label: 'Use this account',
        to: visit.url.pathname,
        fields: { decision: 'confirm' },
      },
      {
        kind: 'post',
        label: 'Cancel',
        to: visit.url.pathname,
        fields: { decision: 'cancel' },
        quiet: true,
      },
    ],
  });
}

/** `POST confirm`: the person's word. */
export async function confirm(visit: Visit): Promise<Response> {
  refuseCrossSite(visit.request, publicOriginOf(visit));
  const connectionId = await visit.visitor('connect');
  const decision = (await formOf(visit.request)).get('decision');
  if (decision !== 'confirm' && decision !== 'cancel') {
    throw new SignInError('The answer must be to use this account, or to cancel.', {
      reason: 'decision_missing',
      connectionId,
    });
  }
  const secret = secretOf(visit);
  const question = await questionOf(visit, await visit.transactions.consume('confirm', secret), secret);
  const { found, own, reopened } = question;
  const clear = [visit.cookies.clear('confirm')];
  if (found.kind === 'handled') return seeOther(visit.returnTo, clear);
  try {
    const { pending } = await waiting(visit, acceptable(found, own, visit), secret);
    const connection = visit.manager.connection(connectionId);
    if (decision === 'confirm') await connection.confirm({ pendingId: pending.id });
    else await connection.reject({ pendingId: pending.id });
  } catch (error) {
    // The other half of a double click was still under way, and has carried it out meanwhile.
    if (!(reopened && error instanceof SignInError && CARRIED_OUT.has(error.reason))) throw error;
  }
  return seeOther(visit.returnTo, clear);
}

const CARRIED_OUT: ReadonlySet<string> = new Set(['pending_gone', 'nothing_pending']);

function secretOf({ cookies }: Visit): string {
  const secret = cookies.read('confirm');
  if (secret !== null) return secret;
  throw new SignInError('No account waits for an answer in this browser. Please begin again.', {
    reason: 'transaction_missing',
  });
}

interface Question {
  readonly found: Found;
  readonly own: Transaction | null;
  /** It was answered before, and its account waits all the same. */
  readonly reopened: boolean;
}

/**
 * The question that this browser was asked. An answer that was taken, and then not carried out because the store failed or
 * the process ended, leaves its account waiting: then the question is still open. That no account is confirmed twice, or in
 * the place of another, is the grant's own doing.
 */
async function questionOf(visit: Visit, found: Found, secret: string): Promise<Question> {
  const own = belongsTo(found, secret, visit.connectionId);
  if (own === null) return { found, own, reopened: false };
  visit.returnTo = own.returnTo;
  const inTime = visit.inside.storeNow() < own.validUntil;
  if (found.kind !== 'handled' || !inTime || (await pendingOf(visit, own, secret)) === null) {
    return { found, own, reopened: false };
  }
  return { found: { kind: 'open', transaction: own }, own, reopened: true };
}

/** The connection's status. @throws SignInError unless the account that this transaction is about still waits */
async function waiting(visit: Visit, transaction: Transaction, secret: string): Promise<Waiting> {
  const status = await pendingOf(visit, transaction, secret);
  if (status !== null) return status;
  throw new SignInError('The account that came back no longer waits for an answer. Please begin again.', {
    reason: 'pending_gone',
    connectionId: visit.connectionId ?? '',
  });
}

type Waiting = ConnectionStatus & Required<Pick<ConnectionStatus, 'pending'>>;

/** The connection's status, if the very account that this transaction is about still waits. */
async function pendingOf(visit: Visit, { account }: Transaction, secret: string): Promise<Waiting | null> {
  const status = await visit.manager.connection(visit.connectionId ?? '').status();
  const { pending } = status;
  if (pending === undefined || account === undefined) return null;
  return sameDigest(account, boundDigest(secret, 'account', accountText(pending)))
    ? { ...status, pending }
    : null;
}
