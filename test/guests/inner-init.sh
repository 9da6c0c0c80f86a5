#!/bin/sh
# First process of a guest under test: loads the drivers, says that it is up, and runs the lines that come over its
# console, each between two markers: "<<begin N>>" ... "<<end N STATUS>>".
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mkdir -p /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
while read -r module; do insmod "/lib/m/$module.ko" || echo "INNER-NO-MODULE $module"; done < /lib/m/order
# The console may be a device whose driver has come only now. The words of lkvm for the front end of hypervisorless
# devices are its parameters, as modprobe has it.
for word in $(cat /proc/cmdline); do
  case $word in
    console=*) tty=${word#console=} ;;
    virtio_hvl.*) pool="$pool ${word#virtio_hvl.}" ;;
  esac
done
if [ -n "$pool" ]; then insmod /lib/virtio_hvl.ko $pool || echo 'INNER-NO-MODULE virtio_hvl'; fi
tty=/dev/${tty%%,*}
turns=0
# Its node is there a moment before it can be opened.
while ! (exec < "$tty") 2> /dev/null && [ $turns -lt 200 ]; do
  usleep 50000
  turns=$((turns + 1))
done
exec < "$tty" > "$tty" 2>&1
stty -echo
if [ -e /etc/init.d/start ]; then . /etc/init.d/start; fi
read -r uptime _ < /proc/uptime
echo "INNER-UP $uptime $(uname -r) cpus=$(nproc) kib=$(awk '/^MemTotal/ {print $2}' /proc/meminfo)"
number=0
while IFS= read -r line; do
  number=$((number + 1))
  echo "<<begin $number>>"
  eval "$line"
  echo "<<end $number $?>>"
done
echo 'INNER-NO-INPUT'
sleep 1000000
