// The worker module of `pci-guest.ts`.
import { runPciGuest } from './pci-guest.js';

await runPciGuest();
