import { appWalk } from 'example-kit/testing';
import { startExample } from './example.fixture.ts';

appWalk(startExample);
