// Bare-metal images: 32-bit protected mode, flat segments, no interrupts, no paging; loaded by multiboot,
// or with VXWORKS defined as the C tool loads that. KVM may have to
// emulate each instruction, so the compiler is held to plain ones, and loops are short.
#ifndef BARE_H
#define BARE_H

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;

enum { SERIAL = 0x3f8, LSR = 5, LSR_DR = 1, DEBUG_OUTPUT = 0xe9, DEBUG_EXIT = 0xf4 };

static inline void outb(u16 port, u8 value) { __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port)); }
static inline void outl(u16 port, u32 value) { __asm__ volatile("outl %0, %1" : : "a"(value), "Nd"(port)); }
static inline u8 inb(u16 port) {
  u8 value;
  __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
  return value;
}
static inline u32 inl(u16 port) {
  u32 value;
  __asm__ volatile("inl %1, %0" : "=a"(value) : "Nd"(port));
  return value;
}
// what is stored is in memory before what follows is
static inline void barrier(void) { __asm__ volatile("lock; addl $0, (%%esp)" : : : "memory"); }

void print(const char *text);
void print_number(u32 value);
// the number behind "name=" on the command line (also at the end of a longer name), or a default
u32 option(const char *name, u32 otherwise);
// ends the machine: exit code (code << 1) | 1 of the command
__attribute__((noreturn)) void finish(u8 code);
void seed_random(u32 seed);
u32 random32(void);
u32 below(u32 limit);
int main(void);

#endif
