import { brokenStoreSuites } from './broken-stores.fixture.ts';

brokenStoreSuites();
