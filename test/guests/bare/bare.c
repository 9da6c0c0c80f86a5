// Start, console and command line of bare-metal images.
#include "bare.h"

enum { INFO_COMMAND_LINE = 1 << 2, VXWORKS_BOOT_LINE = 0x101200 };

static const char *command_line = "";

#ifdef VXWORKS
// A flat image that starts with its first byte, on the stack it is given; its command line is at a fixed place.
__asm__(".section .text.unlikely, \"ax\"\n.globl _start\n_start: push %eax\n call begin\n.text\n");

__attribute__((used)) static void begin(void) {
  command_line = (const char *)VXWORKS_BOOT_LINE;
  finish((u8)main());
}
#else
u8 stack[0x4000] __attribute__((aligned(16)));

// The header has to be in the first 8 KiB of the file: the linker puts this section in front of all other code.
__asm__(".section .text.unlikely, \"ax\"\n .balign 4\n .long 0x1badb002, 0, -0x1badb002\n"
        ".globl _start\n_start: cli\n mov $stack + 0x4000, %esp\n push %ebx\n call begin\n.text\n");

__attribute__((used)) static void begin(const u32 *info) {
  if (info[0] & INFO_COMMAND_LINE) command_line = (const char *)info[4];
  finish((u8)main());
}
#endif

void finish(u8 code) {
  outb(DEBUG_EXIT, code);
  for (;;) __asm__ volatile("cli; hlt");
}

void print(const char *text) {
  for (; *text; text++) outb(DEBUG_OUTPUT, (u8)*text);
}

void print_number(u32 value) {
  char digits[11];
  int at = 10;
  digits[at] = 0;
  do {
    digits[--at] = (char)('0' + value % 10);
    value /= 10;
  } while (value);
  print(digits + at);
}

u32 option(const char *name, u32 otherwise) {
  for (const char *word = command_line; *word; word++) {
    const char *a = word, *b = name;
    while (*b && *a == *b) a++, b++;
    if (*b || *a != '=') continue;
    u32 value = 0;
    if (a[1] != '0' || a[2] != 'x') {
      for (a++; *a >= '0' && *a <= '9'; a++) value = value * 10 + (u32)(*a - '0');
    } else {
      for (a += 3; (*a >= '0' && *a <= '9') || (*a >= 'a' && *a <= 'f'); a++)
        value = value * 16 + (u32)(*a <= '9' ? *a - '0' : *a - 'a' + 10);
    }
    return value;
  }
  return otherwise;
}

static u32 state = 1;

void seed_random(u32 seed) { state = seed * 2654435761u + 1; }

// xorshift32: the same numbers for the same seed everywhere
u32 random32(void) {
  state ^= state << 13;
  state ^= state >> 17;
  state ^= state << 5;
  return state;
}

u32 below(u32 limit) { return random32() % limit; }

// The compiler may call these.
void *memset(void *to, int value, u32 bytes) {
  for (u8 *p = to; bytes--; p++) *p = (u8)value;
  return to;
}
void *memcpy(void *to, const void *from, u32 bytes) {
  u8 *p = to;
  for (const u8 *q = from; bytes--;) *p++ = *q++;
  return to;
}
