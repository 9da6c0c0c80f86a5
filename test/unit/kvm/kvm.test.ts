import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { getuid } from 'node:process';
import { test } from 'node:test';
import { KVM_CAP_IRQFD } from '#lkvm/abi/kvm.js';
import { Kvm } from '#lkvm/kvm/kvm.js';
import { StartError } from '#lkvm/util/errors.js';
import { skipWithoutKvm } from '../../support/kvm-rig.js';
import { tempDir } from '../../support/temp.js';
import { hasTool } from '../../support/tools.js';

/** Matches a StartError of one line, exit code 128. */
function startError(pattern: RegExp): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof StartError);
    assert.equal(error.exitCode, 128);
    assert.match(error.message, pattern);
    assert.equal(error.message.split('\n').length, 1);
    return true;
  };
}

test('Kvm: no such device → one line that says to load the module', () => {
  assert.throws(
    () => new Kvm('/dev/no-such-kvm'),
    startError(/^\/dev\/no-such-kvm: there is no such device: load the module/),
  );
});

test('Kvm: a file that is no KVM device → one line that says so', () => {
  assert.throws(
    () => new Kvm('/dev/null'),
    startError(/^\/dev\/null: this is not a KVM device; name one with --dev/),
  );
});

const notRoot = getuid?.() === 0 && !hasTool('setpriv') ? 'needs setpriv to give up root' : false;

test('Kvm: not permitted → one line that says to join the group', { skip: notRoot }, (t) => {
  const device = join(tempDir(t), 'kvm');
  writeFileSync(device, '');
  chmodSync(device, 0);
  // Root may open everything: without the capability it is like anybody else.
  const program = `import { Kvm } from ${JSON.stringify(import.meta.resolve('#lkvm/kvm/kvm.js'))};
    try { new Kvm(${JSON.stringify(device)}); } catch (error) { console.log(error.code, error.message); }`;
  const node = [process.execPath, '--input-type=module', '-e', program];
  const command = getuid?.() === 0 ? ['setpriv', '--bounding-set=-all', '--inh-caps=-all', ...node] : node;
  const { stdout, stderr } = spawnSync(command[0] ?? '', command.slice(1), { encoding: 'utf8' });
  assert.match(stdout, /^START .*: permission denied: join the group kvm \(usermod -aG kvm USER/, stderr);
});

const skip = skipWithoutKvm();

test('Kvm: on this host → capabilities, vCPU limits, a CPUID table', { skip }, (t) => {
  const kvm = new Kvm();
  t.after(() => kvm.close());
  assert.ok(kvm.capability(KVM_CAP_IRQFD) > 0);
  assert.equal(kvm.capability(60_000), 0);
  assert.ok(kvm.recommendedVcpus >= 1 && kvm.maxVcpus >= kvm.recommendedVcpus);
  assert.ok(kvm.runBytes >= 3 * 4096);
  const table = kvm.supportedCpuid();
  assert.ok((table.find(0)?.eax ?? 0) > 0);
  assert.throws(
    () => kvm.require([KVM_CAP_IRQFD, 60_000]),
    startError(/lacks capability 60000; a newer kernel/),
  );
});

test('Vcpu: CPUID set → the guest table; MSRs, FPU, local APIC and MP state set → read back', {
  skip,
}, async (t) => {
  const kvm = new Kvm();
  const vm = kvm.createVm();
  vm.createIrqchip();
  const vcpu = vm.createVcpu(0);
  t.after(() => {
    vcpu.close();
    vm.close();
    kvm.close();
  });
  const table = kvm.supportedCpuid().clone();
  const leaf = table.find(1);
  assert.ok(leaf !== undefined);
  leaf.ebx = 0x0500_0000;
  vcpu.setCpuid(table);
  assert.equal((vcpu.cpuid().find(1)?.ebx ?? 0) >>> 24, 5);
  // Not a SYSENTER register: AMD has only 32 bits of those.
  const LSTAR = 0xc000_0082;
  vcpu.msrs.set([[LSTAR, 0xffff_8000_1234_5678n]]);
  assert.deepEqual(vcpu.msrs.get([LSTAR]), [0xffff_8000_1234_5678n]);
  assert.throws(() => vcpu.msrs.get([LSTAR, 0x4b56_4dff]), /KVM does not read MSR 0x4b564dff/);
  vcpu.fpu.load().view.setUint16(128, 0x37f, true); // fcw
  vcpu.fpu.store();
  assert.equal(vcpu.fpu.load().view.getUint16(128, true), 0x37f);
  vcpu.lapic.load().view.setUint32(0x350, 0x700, true); // LVT LINT0: ExtINT
  vcpu.lapic.store();
  assert.equal(vcpu.lapic.load().view.getUint32(0x350, true), 0x700);
  vcpu.mpState = 3;
  assert.equal(vcpu.mpState, 3);
  vcpu.events.load().store();
});
