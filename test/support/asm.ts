// A few x86 instructions as bytes, for the tiny guests of the KVM tests. Each method names its instruction; jumps go to labels. The
// mode decides only how wide immediates of 16/32-bit registers are.

/** What a program is assembled for: real mode, protected mode, long mode. */
export type Mode = 16 | 32 | 64;

/** Register numbers of the instruction set. */
export const AX = 0;
export const CX = 1;
export const DX = 2;
export const BX = 3;
export const DI = 7;

export class Asm {
  readonly bytes: number[] = [];
  readonly #mode: Mode;
  readonly #labels = new Map<string, number>();
  readonly #fixes: { at: number; label: string }[] = [];

  constructor(mode: Mode) {
    this.#mode = mode;
  }

  /** Any bytes. */
  db(...bytes: readonly number[]): this {
    this.bytes.push(...bytes);
    return this;
  }

  label(name: string): this {
    this.#labels.set(name, this.bytes.length);
    return this;
  }

  /** Zeros up to an offset from the program's start. */
  padTo(offset: number): this {
    while (this.bytes.length < offset) this.bytes.push(0);
    return this;
  }

  /** mov al, value */
  movAl(value: number): this {
    return this.db(0xb0, value);
  }

  /** mov r16, value in real mode; mov r32, value (which clears the upper half in long mode) otherwise */
  mov(register: number, value: number): this {
    return this.db(0xb8 + register).#word(value);
  }

  /** out port, al */
  outAl(port: number): this {
    return this.db(0xe6, port);
  }

  /** out port, ax in real mode; out port, eax otherwise */
  outAx(port: number): this {
    return this.db(0xe7, port);
  }

  /** in al, port */
  inAl(port: number): this {
    return this.db(0xe4, port);
  }

  /** out dx, al */
  outDx(): this {
    return this.db(0xee);
  }

  /** in al, dx */
  inDx(): this {
    return this.db(0xec);
  }

  /** inc al */
  incAl(): this {
    return this.db(0xfe, 0xc0);
  }

  /** cmp al, value */
  cmpAl(value: number): this {
    return this.db(0x3c, value);
  }

  /** mov [address], al: absolute, 16 or 32 bits by the mode. Not in long mode. */
  storeAl(address: number): this {
    return this.db(0xa2).#word(address);
  }

  /** mov al, [address] */
  loadAl(address: number): this {
    return this.db(0xa0).#word(address);
  }

  /** mov al, value; out port, al */
  outByte(port: number, value: number): this {
    return this.movAl(value).outAl(port);
  }

  /** inc byte [address] (16 or 32-bit address). Not in long mode. */
  incByte(address: number): this {
    return this.db(0xfe, this.#mode === 16 ? 0x06 : 0x05).#word(address);
  }

  /** mov dword [address], value. Protected mode. */
  storeDword(address: number, value: number): this {
    return this.db(0xc7, 0x05).#word(address).#word(value);
  }

  /** mov word [address], value. Real mode. */
  storeWord(address: number, value: number): this {
    return this.db(0xc7, 0x06).#word(address).#word(value);
  }

  /** push ax / eax */
  pushAx(): this {
    return this.db(0x50);
  }

  /** pop ax / eax */
  popAx(): this {
    return this.db(0x58);
  }

  hlt(): this {
    return this.db(0xf4);
  }

  cli(): this {
    return this.db(0xfa);
  }

  sti(): this {
    return this.db(0xfb);
  }

  pause(): this {
    return this.db(0xf3, 0x90);
  }

  /** iret / iretd / iretq */
  iret(): this {
    return this.#mode === 64 ? this.db(0x48, 0xcf) : this.db(0xcf);
  }

  jmp(label: string): this {
    return this.#jump(0xeb, label);
  }

  /** jne label */
  jne(label: string): this {
    return this.#jump(0x75, label);
  }

  /** je label */
  je(label: string): this {
    return this.#jump(0x74, label);
  }

  /** dec cx/ecx/rcx, jump if not 0 */
  loop(label: string): this {
    return this.#jump(0xe2, label);
  }

  /** The program. Throws if a jump is too far or its label is missing. */
  code(): Uint8Array {
    for (const { at, label } of this.#fixes) {
      const target = this.#labels.get(label);
      if (target === undefined) throw new Error(`no label ${label}`);
      const distance = target - (at + 1);
      if (distance < -128 || distance > 127) throw new Error(`${label} is too far`);
      this.bytes[at] = distance & 0xff;
    }
    return Uint8Array.from(this.bytes);
  }

  #jump(opcode: number, label: string): this {
    this.db(opcode);
    this.#fixes.push({ at: this.bytes.length, label });
    return this.db(0);
  }

  #word(value: number): this {
    const bytes = this.#mode === 16 ? 2 : 4;
    for (let i = 0; i < bytes; i++) this.db((value >>> (i * 8)) & 0xff);
    return this;
  }
}
