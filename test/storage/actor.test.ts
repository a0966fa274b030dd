import { describeStorage } from './actor-conformance.ts';
import { memoryWorld, natsWorld } from './world.ts';

describeStorage('storage in memory', memoryWorld);
describeStorage('storage on NATS and JetStream', () => natsWorld());
