// Runs in the outer guest, by the host's node: starts processes for the tests and passes their input and output on.
// usage: node agent.js DEVICE    (a virtio-serial port)
import { type ChildProcess, spawn } from 'node:child_process';
import { createReadStream, createWriteStream, openSync } from 'node:fs';
import type { Readable } from 'node:stream';
import {
  ERRORS,
  EXIT,
  type Frame,
  FrameReader,
  frame,
  INPUT,
  OUTPUT,
  type ProcessEnd,
  READY,
  SIGNAL,
  SPAWN,
  type SpawnRequest,
} from './wire.js';

const COLLECT_MS = 30;

const fd = openSync(process.argv[2] ?? '', 'r+');
const out = createWriteStream('', { fd, autoClose: false });
const children = new Map<number, ChildProcess>();

function end(id: number, how: ProcessEnd): void {
  children.delete(id);
  out.write(frame(EXIT, id, JSON.stringify(how)));
}

// The guests share one slow processor with us: we look for output now and then, not for each byte that comes.
function forward(stream: Readable, kind: number, id: number): void {
  stream.on('data', (data: Buffer) => {
    out.write(frame(kind, id, data));
    stream.pause();
    setTimeout(() => stream.resume(), COLLECT_MS);
  });
}

function start(id: number, { argv, cwd, env }: SpawnRequest): void {
  const [command = '', ...args] = argv;
  const child = spawn(command, args, { cwd, env: { ...process.env, ...env }, stdio: 'pipe' });
  children.set(id, child);
  child.stdin.on('error', () => {}); // it has ended, or closed its input: the exit says what there is to say
  forward(child.stdout, OUTPUT, id);
  forward(child.stderr, ERRORS, id);
  child.once('error', (error) => end(id, { code: null, signal: null, error: error.message }));
  child.once('close', (code, signal) => {
    if (children.has(id)) end(id, { code, signal, error: null });
  });
}

function onFrame({ kind, id, payload }: Frame): void {
  if (kind === SPAWN) start(id, JSON.parse(payload.toString()) as SpawnRequest);
  const child = children.get(id);
  if (kind === SIGNAL) child?.kill(payload.toString() as NodeJS.Signals);
  if (kind !== INPUT) return;
  if (payload.length === 0) child?.stdin?.end();
  else child?.stdin?.write(payload);
}

const reader = new FrameReader(onFrame);
out.write(frame(READY, 0));
// A file stream: the port is a character device, which epoll does not serve as node expects it.
createReadStream('', { fd, autoClose: false })
  .on('data', (data) => reader.push(data as Buffer))
  .on('end', () => process.exit(0));
