/** The poll policy that `--poll` asks for. Thread: reactor. */
import {
  AdaptivePoll,
  IntervalPoll,
  type LoadMeter,
  NoPoll,
  type PollPolicy,
  SpinPoll,
} from '../../reactor/poll-policy.js';

/** When to look at memory instead of sleeping; plain data. */
export type PollSpec =
  | { readonly kind: 'none' }
  | { readonly kind: 'adaptive' }
  | { readonly kind: 'interval'; readonly us: number }
  | { readonly kind: 'spin' };

/** @param sleepUs longest sleep where no notification can come, in microseconds; -1 = no limit */
export function pollPolicyOf(poll: PollSpec, load: LoadMeter, sleepUs = -1): PollPolicy {
  switch (poll.kind) {
    case 'none':
      return new NoPoll();
    case 'adaptive':
      return new AdaptivePoll(load, sleepUs);
    case 'interval':
      return new IntervalPoll(sleepUs < 0 ? poll.us : Math.min(poll.us, sleepUs));
    case 'spin':
      return new SpinPoll();
  }
}
