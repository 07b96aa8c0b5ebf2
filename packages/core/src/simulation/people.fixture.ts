import type { Connection } from '../contracts.ts';
import type { SimProcess } from './sim-process.fixture.ts';
import type { World } from './world.fixture.ts';

/** Signs a person in; with `confirm`, the account that came back waits beside the grant that stands. */
export function signIn(world: World, index: number, id: string, { confirm = false } = {}): void {
  act(world, index, id, confirm ? 'proposes' : 'signs in', (connection, process) => {
    const code = world.provider.authorize(id);
    const under = Symbol(id);
    world.oracle.signingIn(process, id, under);
    return connection.exchangeCode(code, { confirm }).finally(() => world.oracle.signedIn(id, under));
  });
}

export function confirm(world: World, index: number, id: string): void {
  act(world, index, id, 'confirms', (connection) => connection.confirm());
}

export function reject(world: World, index: number, id: string): void {
  act(world, index, id, 'rejects', (connection) => connection.reject());
}

export function disconnect(world: World, index: number, id: string): void {
  act(world, index, id, 'disconnects', (connection) => connection.disconnect());
}

function act(
  world: World,
  index: number,
  id: string,
  does: string,
  what: (connection: Connection, process: SimProcess) => Promise<unknown>,
): void {
  const place = world.place(index);
  if (!place) return;
  const { process, manager } = place;
  const idle = process.busy();
  process.deliver(() => {
    world.oracle.note(`${process.name} ${does} ${id}`);
    what(manager.connection(id), process)
      .then(() => world.oracle.carriedOut(process, id))
      .catch((error: unknown) => world.failed(process, `${does} ${id}`, error))
      .finally(idle);
  });
}
