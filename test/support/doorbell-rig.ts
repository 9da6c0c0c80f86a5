/** Real ends for doorbell tests. */
import { close } from '#lkvm/sys/fd.js';
import { openPty, RawMode } from '#lkvm/sys/tty.js';

/** Counts what a doorbell reports. */
export class DoorbellProbe {
  rings = 0;
  readonly peers: boolean[] = [];

  onDoorbell(): void {
    this.rings++;
  }

  onPeer(up: boolean): void {
    this.peers.push(up);
  }
}

/** A log that keeps its lines. */
export function collectLog() {
  const infos: string[] = [];
  const warnings: string[] = [];
  return {
    infos,
    warnings,
    info: (text: string) => void infos.push(text),
    warn: (text: string) => void warnings.push(text),
  };
}

/** A raw pseudo-terminal: a device node with a controllable other end. Blocking reads on `controller`. */
export function rawPty() {
  const pty = openPty();
  if (typeof pty === 'number') throw new Error(`no pseudo-terminal: errno ${-pty}`);
  const mode = RawMode.save(pty.terminal);
  if (typeof mode === 'number') throw new Error(`not a terminal: errno ${-mode}`);
  mode.enter(false);
  return {
    path: pty.path,
    controller: pty.controller,
    [Symbol.dispose]: () => {
      close(pty.terminal);
      close(pty.controller);
    },
  };
}
