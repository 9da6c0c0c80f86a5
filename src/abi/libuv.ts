/** libuv's numbers. Its interface is part of what Node gives to native addons (`uv.h` comes with Node's headers). */

// uv.h: uv_handle_type
export const UV_SIGNAL = 16;

// uv.h: uv_run_mode
export const UV_RUN_NOWAIT = 2;
