/** A process that has no file descriptors left. */
import { execFileSync } from 'node:child_process';
import { readdirSync, readlinkSync } from 'node:fs';
import { close, open } from '#lkvm/sys/fd.js';

const EMFILE = 24;

/** Sets how many descriptors this process may have open. */
export function setDescriptorLimit(limit: number): void {
  execFileSync('prlimit', ['--pid', String(process.pid), `--nofile=${limit}:`]);
}

/** Opens descriptors until none is left, then closes `spare`. @returns those that are open */
export function useUpDescriptors(spare: number): number[] {
  const fds: number[] = [];
  for (let fd = open('/dev/null', 0); fd !== -EMFILE; fd = open('/dev/null', 0)) fds.push(fd);
  for (let i = 0; i < spare; i++) close(fds.pop() ?? -1);
  return fds;
}

/** What this process has open: "7 socket:[123]", in order. */
export function openDescriptors(): string[] {
  return readdirSync('/proc/self/fd').flatMap((fd) => {
    try {
      return [`${fd} ${readlinkSync(`/proc/self/fd/${fd}`)}`];
    } catch {
      return []; // that of the listing itself
    }
  });
}
