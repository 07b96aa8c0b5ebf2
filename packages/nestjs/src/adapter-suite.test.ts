import { adapterSuite } from '@hq-oauth/testkit/adapters';
import { nestOnExpress, nestOnFastify } from './host.fixture.ts';

adapterSuite(nestOnExpress);
adapterSuite(nestOnFastify);
