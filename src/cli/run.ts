/** `lkvm run`: a KVM guest; with `--rsld --pmm` a PMM, with the fork's words. */

import type { WarmReactor } from '../pmm/warm-reactor.js';
import { ConfigError } from '../util/errors.js';
import type { CommandSpec } from './option-table.js';
import type { ParsedOptions } from './parse-options.js';
import { RUN_GROUPS } from './run-options.js';

/** Whether the words ask for a PMM. Errors: ConfigError for half of it. */
function asksForPmm(options: ParsedOptions): boolean {
  if (options.has('pmm')) {
    if (!options.has('rsld')) {
      throw new ConfigError(
        '--pmm needs --rsld: write run --rsld --pmm ..., or the short form: lkvm pmm ...',
      );
    }
    const [word] = options.words;
    if (word === undefined) return true;
    throw new ConfigError(`unexpected word "${word}": it would be a kernel, but --pmm starts no guest`);
  }
  return false;
}

export const command: CommandSpec = {
  name: 'run',
  usage: '[[-k] KERNEL] [-i INITRD] [-d DISK] [-p WORDS] [OPTIONS]',
  about: [
    "Starts a guest under KVM and stays until it ends: when the guest powers off or reboots, at Ctrl-A x, at SIGTERM. The exit code is 0 then. This terminal is the guest's console.",
    'With --rsld it starts a guest, too, but the devices do not trap: they are in a pool of shared memory, for a front end such as the Linux module virtio_hvl. With --rsld --pmm there is no guest: it serves the devices to a peer (another processor, another process) over shared memory. "lkvm pmm" is the short form.',
  ],
  groups: RUN_GROUPS,
  examples: [
    {
      text: "The host's own kernel and initial RAM disk, on Debian or Ubuntu, to a shell in the initial RAM disk; poweroff -f ends it",
      command: 'lkvm run -k /boot/vmlinuz-$(uname -r) -i /boot/initrd.img-$(uname -r) -m 1G -p break=mount',
    },
    {
      text: 'A disk image with a system on its first partition, two processors, a network card on tap0',
      command:
        'lkvm run -k vmlinuz -i initrd.img -d disk.img -p root=/dev/vda1 -c 2 -m 1G -n mode=tap,tapif=tap0 --rng',
    },
    {
      text: 'A directory as root, for a kernel with 9p built in; and another one to share',
      command: 'lkvm run -k bzImage -d ./rootfs --9p /srv/data,data,ro -n mode=none',
    },
    {
      text: 'A test image that reports its result through the debug-exit port',
      command: 'lkvm run test.elf -m 64 --nodefaults -n mode=none --debug-exit',
    },
    {
      text: 'A guest whose console, card, share and entropy are in a pool, reached without traps by the module virtio_hvl',
      command:
        'lkvm run --rsld --irq 12 --transport mmio --shmem-addr 0xd4000000 --shmem-size 0x1000000 --console virtio --network mode=tap,tapif=tap0,trans=mmio --9p /srv/data,share -k vmlinuz -i initrd',
    },
    {
      text: 'The pure PMM of the reference board, with all the words of the C tool',
      command:
        'lkvm run --debug --vxworks --rsld --pmm --debug-nohostfs --transport mmio --shmem-addr 0x37000000 --shmem-size 0x1000000 --cpus 1 --mem 128 --no-dtb --rng --network mode=tap,tapif=tap0,trans=mmio --vproxy',
    },
  ],
  maxWords: 1,
  async run(options: ParsedOptions, reactor?: WarmReactor): Promise<number> {
    if (asksForPmm(options)) {
      const { servePmm } = await import('./serve-pmm.js');
      return await servePmm(options, reactor);
    }
    const { serveVm } = await import('./serve-vm.js');
    return await serveVm(options);
  },
};
