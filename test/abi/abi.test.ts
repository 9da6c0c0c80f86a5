// Our constants against the C headers of both architectures. What is asked for is in table.ts.
import assert from 'node:assert/strict';
import { arch } from 'node:process';
import { test } from 'node:test';
import { ABI_ARM64, ABI_X64 } from '#lkvm/sys/arch.js';
import { differences, isInstalled, type Toolchain } from './headers.js';
import { GROUPS } from './table.js';

const NATIVE: Toolchain = { cc: ['cc'], run: [] };
const CROSS: Toolchain = { cc: ['aarch64-linux-gnu-gcc', '-static'], run: ['qemu-aarch64-static'] };

function missing(...commands: string[]): string | false {
  const absent = commands.filter((command) => !isInstalled(command));
  return absent.length > 0 && `not installed: ${absent.join(', ')}`;
}

test('abi: every constant → the value in the C headers of this machine', { skip: missing('cc') }, () => {
  assert.deepEqual(differences(GROUPS, arch === 'arm64' ? ABI_ARM64 : ABI_X64, NATIVE), []);
});

const skipArm64 =
  arch === 'arm64' ? 'tested natively' : missing('aarch64-linux-gnu-gcc', 'qemu-aarch64-static');

test('abi: every constant → the value in the C headers of arm64', { skip: skipArm64 }, () => {
  assert.deepEqual(differences(GROUPS, ABI_ARM64, CROSS), []);
});

test('abi: a wrong value, a wrong offset and an unknown name → one line each', {
  skip: missing('cc'),
}, () => {
  const group = {
    name: 'test',
    headers: ['fcntl.h', 'sys/uio.h'],
    values: () => ({ O_CLOEXEC: 1, IOVEC_LEN_OFF: 4, O_NO_SUCH: 0, O_PATH: 0o10000000, text: 'x' }),
  };
  assert.deepEqual(differences([group], ABI_X64, NATIVE), [
    'test: O_CLOEXEC is 1, C says 524288',
    'test: IOVEC_LEN_OFF is 4, C says 8',
    'test: O_NO_SUCH is not in the headers; give its C expression in test/abi/table.ts',
  ]);
});
