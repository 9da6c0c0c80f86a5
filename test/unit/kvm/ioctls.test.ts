import assert from 'node:assert/strict';
import { test } from 'node:test';
import { capabilityName, REQUIRED_CAPABILITIES } from '#lkvm/kvm/capabilities.js';
import * as ioctls from '#lkvm/kvm/ioctls.js';

const all = Object.values(ioctls).filter((each): each is ioctls.Ioctl => typeof each === 'object');

// <asm-generic/ioctl.h>: number in bits 0-7, type in 8-15, size in 16-29, direction in 30-31 (1 = the kernel reads)
const DIRECTIONS: Record<ioctls.Direction, number> = { none: 0, w: 1, r: 2, rw: 3 };

test('ioctls: direction and size of every entry → what its number encodes', () => {
  for (const { name, request, direction, bytes } of all) {
    assert.equal(request >>> 30, DIRECTIONS[direction], `${name}: direction`);
    assert.equal((request >>> 16) & 0x3fff, bytes, `${name}: size`);
    assert.equal((request >>> 8) & 0xff, 0xae, `${name}: type`);
  }
  assert.ok(all.length >= 30); // the list was found
});

test('ioctls: within a level → no number twice', () => {
  const keys = all.map(({ level, request }) => `${level} ${request}`);
  assert.deepEqual(
    keys.filter((key, i) => keys.indexOf(key) !== i),
    [],
  );
});

test('ioctls: a descriptor of one level and an ioctl of another → refused by the compiler', () => {
  const vm = ioctls.asKvmFd<'vm'>(-1);
  // @ts-expect-error KVM_RUN is for vCPUs
  ioctls.call(vm, ioctls.RUN);
});

test('capabilityName: required, unknown → the C name, the number', () => {
  for (const capability of REQUIRED_CAPABILITIES) assert.match(capabilityName(capability), /^KVM_CAP_/);
  assert.equal(capabilityName(9999), 'capability 9999');
});
