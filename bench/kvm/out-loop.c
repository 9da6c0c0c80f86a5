// The same loop as bench/kvm/exits.ts measures, in C: the floor of what an exit to user space costs on this host.
// usage: out-loop COUNT      prints microseconds per exit
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>

int main(int argc, char **argv) {
  long count = argc > 1 ? atol(argv[1]) : 20000;
  // again: out 0x80, al; jmp again
  unsigned char code[] = {0xe6, 0x80, 0xeb, 0xfc};
  int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
  int vm = ioctl(kvm, KVM_CREATE_VM, 0);
  ioctl(vm, KVM_SET_TSS_ADDR, 0xfffbd000);
  char *ram = mmap(0, 0x100000, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  memcpy(ram + 0x1000, code, sizeof code);
  struct kvm_userspace_memory_region slot = {.memory_size = 0x100000, .userspace_addr = (unsigned long)ram};
  ioctl(vm, KVM_SET_USER_MEMORY_REGION, &slot);
  int vcpu = ioctl(vm, KVM_CREATE_VCPU, 0);
  struct kvm_run *run =
      mmap(0, ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0), PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);
  struct kvm_sregs sregs;
  ioctl(vcpu, KVM_GET_SREGS, &sregs);
  sregs.cs.base = sregs.cs.selector = 0;
  ioctl(vcpu, KVM_SET_SREGS, &sregs);
  struct kvm_regs regs = {.rip = 0x1000, .rflags = 2};
  ioctl(vcpu, KVM_SET_REGS, &regs);
  struct timespec from, to;
  unsigned sum = 0;
  for (long i = -count / 10; i < count; i++) {
    if (i == 0) clock_gettime(CLOCK_MONOTONIC, &from);
    if (ioctl(vcpu, KVM_RUN, 0) != 0 || run->exit_reason != KVM_EXIT_IO) return 1;
    sum += ((unsigned char *)run)[run->io.data_offset];
  }
  clock_gettime(CLOCK_MONOTONIC, &to);
  printf("%.3f\n", ((to.tv_sec - from.tv_sec) * 1e6 + (to.tv_nsec - from.tv_nsec) / 1e3) / count);
  return sum == 0xffffffff;
}
