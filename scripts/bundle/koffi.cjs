// koffi for the joined files. Its own loader reads modules and node's ELF header to find its binary, and wraps functions
// that we do not use: 8 ms, in each thread. On Linux with glibc it is where it is; anywhere else the loader runs.
const binary = `@koromix/koffi-linux-${process.arch}/linux_${process.arch}/koffi.node`;

function load() {
  try {
    return require(binary);
  } catch {
    const name = 'koffi'; // not a literal, which the bundler would join in
    return require(name);
  }
}

module.exports = load();
