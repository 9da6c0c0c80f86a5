/** `--features`, `--queue-size`, `--region` and `--static`: what is fixed beforehand, by device type. Errors: ConfigError. */
import { DEVICE_TYPES, type DeviceType, deviceTypeOfWord } from '../machine/device-table.js';
import type { HvlCommonOptions, HvlDeviceOptions } from '../machine/hvl-options.js';
import { ConfigError } from '../util/errors.js';
import type { ParsedOptions } from './parse-options.js';
import { numberOf, sizeOf, splitPair } from './values.js';

type Features = NonNullable<HvlCommonOptions['features']>;
type Settings = { -readonly [K in keyof HvlCommonOptions]: HvlCommonOptions[K] };

/** What was said about each type. */
export interface DeviceLists {
  /** Adds the settings to devices. Errors: ConfigError if something was said about a type that is not among them. */
  apply(devices: readonly HvlDeviceOptions[]): HvlDeviceOptions[];
}

/** Reads the four options. */
export function readDeviceLists(parsed: ParsedOptions): DeviceLists {
  const lists = new Lists();
  for (const text of parsed.values('features')) {
    const { type, value } = typeAndValue('--features', text);
    lists.of('--features', type).features = featuresOf(type, value);
  }
  for (const text of parsed.values('queue-size')) {
    const { type, value } = typeAndValue('--queue-size', text);
    lists.of('--queue-size', type).queueSizes = value
      .split(',')
      .map((size) => numberOf(`--queue-size ${type.word}`, size));
  }
  for (const text of parsed.values('region')) {
    const { type, value } = typeAndValue('--region', text);
    lists.of('--region', type).regionBytes = sizeOf(`--region ${type.word}`, value);
  }
  for (const text of parsed.values('static')) {
    if (text === '') lists.allStatic = true;
    else for (const word of text.split(',')) lists.of('--static', typeOf('--static', word)).static = true;
  }
  return lists;
}

class Lists implements DeviceLists {
  allStatic = false;
  readonly #settings = new Map<string, Settings>();
  /** Option that spoke of a type, for the message. */
  readonly #said = new Map<string, string>();

  of(option: string, type: DeviceType): Settings {
    const settings = this.#settings.get(type.word) ?? {};
    this.#settings.set(type.word, settings);
    this.#said.set(type.word, option);
    return settings;
  }

  apply(devices: readonly HvlDeviceOptions[]): HvlDeviceOptions[] {
    for (const [word, option] of this.#said) {
      if (devices.some((device) => device.type === word)) continue;
      const given = [...new Set(devices.map((device) => device.type))].join(', ') || 'none';
      throw new ConfigError(`${option} ${word}: there is no ${word} device; devices given: ${given}`);
    }
    return devices.map((device) => {
      const settings = this.#settings.get(device.type);
      return { ...device, ...settings, static: this.allStatic || settings?.static === true };
    });
  }
}

function typeOf(option: string, word: string): DeviceType {
  const type = deviceTypeOfWord(word);
  if (type !== undefined) return type;
  const known = DEVICE_TYPES.map((each) => each.word).join(', ');
  throw new ConfigError(`${option}: unknown device type "${word}"; known are ${known}`);
}

function typeAndValue(option: string, text: string): { readonly type: DeviceType; readonly value: string } {
  const { key, value } = splitPair(text);
  const type = typeOf(option, key);
  if (value === undefined || value === '')
    throw new ConfigError(`${option} ${text}: write ${option} ${type.word}=VALUE`);
  return { type, value };
}

/** Bits as one number, or names separated by commas; "none" for the empty list. */
function featuresOf(type: DeviceType, text: string): Features {
  const option = `--features ${type.word}`;
  if (/^[0-9]/.test(text)) {
    const bits = numberOf(option, text);
    return { low: bits % 0x1_0000_0000, high: Math.floor(bits / 0x1_0000_0000) };
  }
  let low = 0;
  for (const word of text === 'none' ? [] : text.split(',')) {
    const name = word
      .toLowerCase()
      .replaceAll('-', '_')
      .replace(/^virtio_(ring_|net_|console_|9p_)?(f_)?/, '');
    const feature = type.features.find((each) => each.name === name);
    if (feature === undefined) {
      const known = type.features.map((each) => each.name).join(', ');
      throw new ConfigError(`${option}: unknown feature "${word}"; known are ${known}, or bits such as 0x20`);
    }
    low |= 1 << feature.bit;
  }
  return { low: low >>> 0, high: 0 };
}
