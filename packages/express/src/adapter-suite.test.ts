import { adapterSuite } from '@hq-oauth/testkit/adapters';
import { expressHost } from './host.fixture.ts';

adapterSuite(expressHost);
