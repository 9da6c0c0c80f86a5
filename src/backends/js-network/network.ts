/** Networks made in JavaScript: what a program writes, and how it is reached from another thread. */
import { ConfigError } from '../../util/errors.js';

/** Where frames for the driver go. */
export interface NetworkPort {
  /**
   * Gives the driver a frame (without checksum at its end), which is copied.
   * @returns false if it was dropped: the driver takes none now, or it has less than 14 or more than 1514 bytes
   */
  send(frame: Uint8Array): boolean;
}

/** A network of one driver. Every method may be called at any time after the card was made. */
export interface JsNetwork {
  /** A driver has started; the port is good until the machine ends. */
  start?(port: NetworkPort): void;
  /**
   * The driver has sent a frame, 14 ... 1514 bytes, without checksum at its end.
   * @param frame valid during the call; copy what is needed later
   */
  frame(frame: Uint8Array, port: NetworkPort): void;
  /** The driver is gone. */
  stop?(): void;
}

/** Whether something can be used as a {@link JsNetwork}. */
export function isNetwork(value: unknown): value is JsNetwork {
  return typeof value === 'object' && value !== null && 'frame' in value && typeof value.frame === 'function';
}

/** What passes between the reactor and the thread of a network. */
export type NetworkMessage =
  | { readonly kind: 'start' }
  | { readonly kind: 'stop' }
  /** Reactor to network: the driver has sent it. Network to reactor: for the driver. */
  | { readonly kind: 'frame'; readonly frame: Uint8Array }
  /** Network to reactor: one frame of the driver was taken. */
  | { readonly kind: 'taken' };

/** A network ready to be served to a reactor. Made by {@link remoteNetwork}. */
export interface RemoteNetwork {
  /**
   * @param post sends a message (structured clone) to the reactor
   * @param onError told of exceptions in the network; default: nobody
   * @returns takes the reactor's messages
   */
  serve(post: (message: unknown) => void, onError?: (error: unknown) => void): (message: unknown) => void;
}

/**
 * Wraps a {@link JsNetwork} that lives on this thread.
 *
 *     const vm = await createVm({ ..., devices: [{ type: 'net', remote: 0 }] }, { networks: [remoteNetwork(new MyNetwork())] });
 *
 * Errors: ConfigError if it has no method `frame`.
 */
export function remoteNetwork(network: JsNetwork): RemoteNetwork {
  if (!isNetwork(network)) throw new ConfigError('a network must have the method frame');
  return {
    serve(post, onError = () => undefined) {
      const port: NetworkPort = {
        send: (frame) => {
          post({ kind: 'frame', frame } satisfies NetworkMessage);
          return true;
        },
      };
      return (message) => {
        try {
          deliver(network, message as NetworkMessage, port);
        } catch (error) {
          onError(error);
        }
        if ((message as NetworkMessage).kind === 'frame') post({ kind: 'taken' } satisfies NetworkMessage);
      };
    },
  };
}

function deliver(network: JsNetwork, message: NetworkMessage, port: NetworkPort): void {
  if (message.kind === 'frame') network.frame(message.frame, port);
  else if (message.kind === 'start') network.start?.(port);
  else if (message.kind === 'stop') network.stop?.();
}
