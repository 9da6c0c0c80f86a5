/** Exit codes of the command. The others travel in `LkvmError.exitCode`: 1 failed, 128 could not start, 129 usage. */

/** EINVAL, as the C tool. */
export const EXIT_UNKNOWN_COMMAND = 22;
export const EXIT_FAILED = 1;
export const EXIT_USAGE = 129;
