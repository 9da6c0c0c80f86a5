/** Config space in words. Spec: virtio 1.2 sections 5.1.4, 5.3.4; <linux/virtio_9p.h>. */
import { VIRTIO_MMIO_CONFIG } from '../../../abi/hvl.js';
import { VIRTIO_ID_9P, VIRTIO_ID_CONSOLE, VIRTIO_ID_NET, VIRTIO_ID_VSOCK } from '../../../abi/virtio.js';

const MAC_BYTES = 6;
const TAG_OFF = 2;
const TAG_MAX = 0x7e;

/** @param block a copy of the block's 0x200 bytes. @returns "" if there is nothing to say */
export function configText(deviceId: number, block: Uint8Array): string {
  const config = block.subarray(VIRTIO_MMIO_CONFIG);
  const view = new DataView(config.buffer, config.byteOffset, config.byteLength);
  switch (deviceId) {
    case VIRTIO_ID_NET: {
      const mac = [...config.subarray(0, MAC_BYTES)].map((byte) => byte.toString(16).padStart(2, '0'));
      return `MAC ${mac.join(':')}`;
    }
    case VIRTIO_ID_CONSOLE:
      return `${view.getUint16(0, true)} columns, ${view.getUint16(2, true)} rows`;
    case VIRTIO_ID_9P: {
      const length = Math.min(view.getUint16(0, true), TAG_MAX);
      return `tag ${JSON.stringify(new TextDecoder().decode(config.slice(TAG_OFF, TAG_OFF + length)))}`;
    }
    case VIRTIO_ID_VSOCK:
      return `CID ${view.getUint32(0, true)}`;
    default:
      return '';
  }
}
