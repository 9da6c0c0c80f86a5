/** A worker that is a 9P server over a remote tree, blocked between requests as a reactor is. */
import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { remoteTreeProxy } from '#lkvm/p9/remote-tree.js';
import { P9Rig } from './p9-rig.js';

const port = parentPort as NonNullable<typeof parentPort>;
const wake = workerData as Int32Array;
const proxy = remoteTreeProxy((message) => port.postMessage({ request: message }));
const rig = new P9Rig({
  tree: proxy.tree,
  onPending: () => {
    while (rig.completions.length === 0) {
      const message = receiveMessageOnPort(port);
      if (message === undefined) Atomics.wait(wake, 0, 0, 20);
      else proxy.onMessage(message.message);
    }
  },
});
rig.mount();
rig.walk(0, 1);
rig.open(1);
const names = rig.list(1);
rig.walk(0, 2, 'slow.txt');
rig.open(2, 2);
const before = rig.readText(2);
const written = rig.write(2, 5, 'written');
const after = rig.readText(2);
const missing = rig.walk(0, 3, 'missing');
const failing = rig.walk(0, 4, 'failing');
rig.server.close();
port.postMessage({ result: { names, before, written, after, missing, failing } });
