import { browserWalk } from 'example-kit/testing';
import { startExample } from './example.fixture.ts';

browserWalk(startExample);
