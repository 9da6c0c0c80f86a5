/** Undoing what a test set up, in reverse order: a mount goes before its folder. `t.after` alone runs hooks in order. */
import type { TestContext } from 'node:test';

type Action = () => void | Promise<void>;

const stacks = new WeakMap<TestContext, Action[]>();

/** Calls `action` after the test, before those of earlier calls; all are called, whatever the others do. */
export function undo(t: TestContext, action: Action): void {
  const stack = stacks.get(t);
  if (stack !== undefined) {
    stack.push(action);
    return;
  }
  const actions = [action];
  stacks.set(t, actions);
  t.after(async () => {
    const errors: unknown[] = [];
    for (const each of actions.reverse()) {
      try {
        await each();
      } catch (error) {
        errors.push(error);
      }
    }
    if (errors.length > 0) throw new AggregateError(errors, 'clean-up failed');
  });
}
