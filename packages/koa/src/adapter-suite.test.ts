import { adapterSuite } from '@hq-oauth/testkit/adapters';
import { koaHost } from './host.fixture.ts';

adapterSuite(koaHost);
