import { describeStorage } from './actor-conformance.ts';
import { describeIndex } from './index-conformance.ts';
import { memoryWorld, natsWorld } from './world.ts';

describeStorage('storage in memory', memoryWorld);
describeStorage('storage on NATS and JetStream', () => natsWorld());
describeIndex('session index in memory', memoryWorld);
describeIndex('session index on NATS and JetStream', () => natsWorld());
