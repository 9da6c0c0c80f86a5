/** Error numbers from the 9p server as words for the shell. */
import { getSystemErrorMap } from 'node:util';

const messages = getSystemErrorMap();

/** "no such file or directory", or "error 999". @param status -errno */
export function errorText(status: number): string {
  return messages.get(status)?.[1] ?? `error ${-status}`;
}
