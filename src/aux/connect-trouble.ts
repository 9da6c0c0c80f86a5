/** Why nobody is at the other end of a doorbell's socket, for a person. Thread: main. */
import { statSync } from 'node:fs';
import { EACCES, ECONNREFUSED, ENOENT, EPERM } from '../abi/errno.js';
import { errnoName } from '../sys/libc.js';

/** What is wrong, and what to do unless it is just to start the PMM. */
export interface Trouble {
  readonly what: string;
  /** Undefined: start the PMM. */
  readonly advice: string | undefined;
}

/** @param errno of a connect(2) that failed, positive */
export function connectTrouble(path: string, errno: number): Trouble {
  switch (errno) {
    case ENOENT:
      return { what: `there is no socket ${path}`, advice: undefined };
    case ECONNREFUSED:
      // The kernel says the same of a file that is no socket at all.
      if (!isSocket(path))
        return { what: `${path} is not a socket`, advice: 'use another path on both sides' };
      return { what: `nobody listens on ${path}`, advice: undefined };
    case EACCES:
    case EPERM:
      return { what: `no permission for ${path}`, advice: 'run as the user that runs the PMM' };
    default:
      return {
        what: `cannot connect to ${path}: ${errnoName(errno)}`,
        advice: 'use another path on both sides',
      };
  }
}

function isSocket(path: string): boolean {
  try {
    return statSync(path).isSocket();
  } catch {
    return true; // gone in this moment
  }
}
