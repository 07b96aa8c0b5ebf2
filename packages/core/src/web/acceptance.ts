import { SignInError } from '../errors.ts';
import type { ConnectionStatus } from '../status.ts';
import { boundDigest, type Found, sameDigest, type Transaction } from './login-transaction.ts';
import type { Visit } from './visit.ts';

/** The transaction, if the visitor is the one who began it (F81). */
export function belongsTo(found: Found, secret: string, connectionId: string | null): Transaction | null {
  if (found.kind === 'unknown' || connectionId === null) return null;
  const { transaction } = found;
  return sameDigest(transaction.visitor, boundDigest(secret, 'visitor', connectionId)) ? transaction : null;
}

/** @throws SignInError unless the transaction is open, this visitor's, and of this instance */
export function acceptable(
  found: Found,
  own: Transaction | null,
  { inside, connectionId }: Visit,
): Transaction {
  switch (found.kind) {
    case 'unknown':
      throw new SignInError('This sign-in is not known here. Please begin again.', {
        reason: 'transaction_unknown',
      });
    case 'expired':
      throw new SignInError('The sign-in took too long. Nothing was accepted. Please begin again.', {
        reason: 'transaction_expired',
      });
    case 'superseded':
      throw new SignInError(
        'A newer sign-in was begun in this browser, so this one no longer counts. Finish the newer one, or begin again.',
        { reason: 'transaction_superseded' },
      );
    case 'handled':
      throw new SignInError('This was already handled.', { reason: 'transaction_handled' });
    case 'open':
      break;
    default:
      return found satisfies never;
  }
  if (own === null) {
    throw new SignInError(
      connectionId === null
        ? 'You are not signed in to this application any more, or this browser kept that to itself on the way back from HighQ. Nothing was accepted. Sign in here, then begin again.'
        : 'Somebody else is signed in to this application now than when this was begun. Nothing was accepted. Please begin again.',
      { reason: 'visitor_changed' },
    );
  }
  // A code goes only to the instance that its sign-in was begun with (F88).
  if (own.instanceUrl !== inside.instanceUrl || own.redirectUri !== inside.redirectUri) {
    throw new SignInError('The configuration changed while the sign-in was under way. Please begin again.', {
      reason: 'instance_changed',
    });
  }
  return own;
}

/** Names what waits for a person's word: another account, or a later sign-in with the same one, is another text. */
export function accountText(pending: NonNullable<ConnectionStatus['pending']>): string {
  return `${pending.id}:${pending.userEmail ?? ''}`;
}
