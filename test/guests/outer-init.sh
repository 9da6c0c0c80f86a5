#!/bin/busybox sh
# First process of the outer guest: the host's root over 9p, read-only, with a /dev, /proc and writable /run of the
# guest's own; then the agent, which runs commands for the tests.
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
while read -r module; do insmod "/lib/m/$module.ko" || echo "OUTER-NO-MODULE $module"; done < /lib/m/order
mount -t 9p -o trans=virtio,version=9p2000.L,msize=1048576,ro,cache=loose host /mnt || echo 'OUTER-FAIL no root over 9p'
mount -t proc proc /mnt/proc
mount -t sysfs sys /mnt/sys
mount -t devtmpfs dev /mnt/dev
mkdir -p /dev/shm /dev/pts /dev/net
mount -t tmpfs shm /mnt/dev/shm
mount -t devpts devpts /mnt/dev/pts
mount -t tmpfs -o size=80% run /mnt/run
[ -e /dev/net/tun ] || mknod /dev/net/tun c 10 200
ln -sf /proc/self/fd /dev/fd
ifconfig lo up
for word in $(cat /proc/cmdline); do
  case $word in
    bed.node=*) node=${word#*=} ;;
    bed.agent=*) agent=${word#*=} ;;
  esac
done
for port in /sys/class/virtio-ports/*; do
  if [ "$(cat "$port/name")" = agent ]; then device=/dev/${port##*/}; fi
done
echo "OUTER-UP $(cut -d' ' -f1 /proc/uptime) $(uname -r) $device"
mkdir -p /mnt/run/home
HOME=/run/home TMPDIR=/run PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
  chroot /mnt "$node" "$agent" "$device"
echo "OUTER-DONE $?"
poweroff -f
