/** Mounting, and making namespaces, control groups and device nodes, is for root alone. */
export const isRoot = process.getuid?.() === 0;

if (!isRoot)
  console.warn("tests that mount, or make namespaces, control groups or device nodes, are skipped: need root");
