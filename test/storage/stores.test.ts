import { describeStores } from './stores-conformance.ts';
import { memoryWorld, natsWorld } from './world.ts';

describeStores('stores in memory', memoryWorld);
describeStores('stores on JetStream', () => natsWorld());
